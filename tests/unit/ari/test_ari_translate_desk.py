"""Who dials a code is who registered the phone, whatever the From says."""

from __future__ import annotations

import pytest

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.events import Arrived, DeskCallArrived
from ess_pbx.domain.ids import CallId


def entered(args: list[str], name: str = "PJSIP/1001-00000003") -> models.StasisStart:
    forged = models.CallerID(name="Penyelia", number="1006")
    channel = models.Channel(
        id="ess1-1.1",
        protocol_id="",
        name=name,
        state="Ring",
        caller=forged,
        connected=forged,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="desk", exten="*11", priority=1, app_name="Stasis", app_data=""
        ),
        creationtime="2026-01-01T09:00:00.000+0700",
        language="id",
    )
    return models.StasisStart(
        application="ess-pbx",
        timestamp="2026-01-01T09:00:00.000+0700",
        args=args,
        channel=channel,
    )


def test_a_code_is_told_with_the_registration_that_it_came_with() -> None:
    (event,) = Translator(sample()).translate(entered(["desk", "*11"]))
    assert event == DeskCallArrived(CallId("ess1-1.1"), "1001", "*11")


@pytest.mark.parametrize("args", [[], ["desk"], ["tamu", "*11"]])
def test_any_other_call_is_a_callers(args: list[str]) -> None:
    (event,) = Translator(sample()).translate(entered(args))
    assert isinstance(event, Arrived)
