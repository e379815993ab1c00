"""What a call says of where it comes from is believed of a neighbour, on the neighbour's trunk."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.config import Neighbour
from ess_pbx.domain.events import Arrived, Reference
from ess_pbx.settings.model import Settings
from ess_pbx.sip.call_info import call_info

GOOD = call_info("utara", "ess1-1763786000.7", "utara-20261122-0003")


def settings() -> Settings:
    loaded = sample()
    centre = loaded.centre_named()
    *agencies, last = centre.agencies
    last = replace(last, neighbour=Neighbour(centre="utara", trunk="pusat-utara"))
    (telco,) = loaded.trunks
    return replace(
        loaded,
        centres=(replace(centre, agencies=(*agencies, last)),),
        trunks=(telco, replace(telco, id="pusat-utara", port=5099)),
    )


def reference(trunk: str, value: str | None) -> Reference | None:
    nobody = models.CallerID(name="", number="+62812345678")
    channel = models.Channel(
        id="ess1-1.1",
        protocol_id="",
        name=f"PJSIP/{trunk}-00000003",
        state="Ring",
        caller=nobody,
        connected=nobody,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="emergency", exten="112", priority=1, app_name="Stasis", app_data=""
        ),
        creationtime="2026-01-01T09:00:00.000+0700",
        language="id",
        channelvars={"ESS_CALL_INFO": value},
    )
    started = models.StasisStart(
        application="ess-pbx", timestamp="2026-01-01T09:00:00.000+0700", args=[], channel=channel
    )
    (event,) = Translator(settings()).translate(started)
    assert isinstance(event, Arrived)
    return event.reference


def test_a_neighbours_call_says_which_it_is() -> None:
    known = Reference("utara", "ess1-1763786000.7", "utara-20261122-0003")
    assert reference("pusat-utara", GOOD) == known


@pytest.mark.parametrize(
    ("trunk", "value"),
    [
        ("telco-a", GOOD),
        ("1001", GOOD),
        ("pusat-utara", GOOD.replace("utara", "barat")),
        ("pusat-utara", "<urn:"),
        ("pusat-utara", ""),
        ("pusat-utara", None),
    ],
)
def test_anything_else_says_nothing(trunk: str, value: str | None) -> None:
    assert reference(trunk, value) is None
