"""Who dials a code is who registered the phone; what spies on one comes and goes like a leg."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.events import (
    Arrived,
    DeskCallArrived,
    LegAnswered,
    LegGone,
    OutboundDialled,
    TransferAsked,
)
from ess_pbx.domain.ids import CallId, LegId, snoop

NOW = "2026-01-01T09:00:00.000+0700"


def a_channel(name: str, identifier: str) -> models.Channel:
    forged = models.CallerID(name="Penyelia", number="1006")
    return models.Channel(
        id=identifier,
        protocol_id="",
        name=name,
        state="Ring",
        caller=forged,
        connected=forged,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="desk", exten="*11", priority=1, app_name="Stasis", app_data=""
        ),
        creationtime=NOW,
        language="id",
    )


def entered(
    args: list[str], name: str = "PJSIP/1001-00000003", identifier: str = "ess1-1.1"
) -> models.StasisStart:
    channel = a_channel(name, identifier)
    return models.StasisStart(application="ess-pbx", timestamp=NOW, args=args, channel=channel)


def ended(name: str, identifier: str) -> models.StasisEnd:
    channel = a_channel(name, identifier)
    return models.StasisEnd(application="ess-pbx", timestamp=NOW, channel=channel)


def test_a_code_is_told_with_the_registration_that_it_came_with() -> None:
    (event,) = Translator(sample()).translate(entered(["desk", "*11"]))
    assert event == DeskCallArrived(CallId("ess1-1.1"), "1001", "*11")


@pytest.mark.parametrize("args", [[], ["desk"], ["tamu", "*11"]])
def test_any_other_call_is_a_callers(args: list[str]) -> None:
    (event,) = Translator(sample()).translate(entered(args))
    assert isinstance(event, Arrived)


@pytest.mark.parametrize(("state", "up"), [("Ring", False), ("Up", True)])
def test_whether_a_caller_was_answered_before_is_told_with_the_arrival(
    state: str, up: bool
) -> None:
    enters = entered([])
    channel = replace(enters.channel, state=state)
    (event,) = Translator(sample()).translate(replace(enters, channel=channel))
    assert isinstance(event, Arrived)
    assert event.up is up


def test_a_snoop_channel_that_is_there_and_one_that_is_gone_are_told_as_a_leg() -> None:
    translator, call = Translator(sample()), CallId("ess1-1.1")
    leg, name = snoop(call, 3), "Snoop/ess1-1.1~op2-00000001"
    assert translator.translate(entered([], name, leg)) == [LegAnswered(call, leg)]
    assert translator.translate(ended(name, leg)) == [LegGone(call, leg, 16)]


@pytest.mark.parametrize(
    ("dialled", "number", "short"),
    [
        (["0254398123"], "+62254398123", ""),
        (["+62254398123"], "+62254398123", ""),
        (["398123"], "+62254398123", "398123"),
        (["108"], "", "108"),
        (["14045"], "+6225414045", "14045"),
        (["*119#"], "", ""),
        ([""], "", ""),
        ([], "", ""),
    ],
)
def test_a_number_is_read_as_one_of_the_phones_own_area(
    dialled: list[str], number: str, short: str
) -> None:
    (event,) = Translator(sample()).translate(entered(["outbound", *dialled]))
    assert event == OutboundDialled(CallId("ess1-1.1"), "1001", number, short)


def asked_to_transfer(
    destination: str | None, replaced: str | None = None, state: str | None = None
) -> models.ChannelTransfer:
    wanted = models.RequiredDestination(destination=destination, protocol_id=replaced)
    source = a_channel("PJSIP/1001-00000003", "ess1-1.1~op2")
    return models.ChannelTransfer(
        application="ess-pbx",
        timestamp=NOW,
        state=state,
        refer_to=models.ReferTo(requested_destination=wanted),
        referred_by=models.ReferredBy(source_channel=source),
    )


def test_a_refer_is_told_with_whereto_and_whether_it_replaces_another_call() -> None:
    translator = Translator(sample())
    call, leg = CallId("ess1-1.1"), LegId("ess1-1.1~op2")
    blind, attended = asked_to_transfer("119"), asked_to_transfer(None, "a-call-id")
    assert translator.translate(blind) == [TransferAsked(call, leg, "119")]
    assert translator.translate(attended) == [TransferAsked(call, leg, "", attended=True)]


@pytest.mark.parametrize("state", ["channel_progress", "channel_answered", "channel_declined"])
def test_what_asterisk_repeats_of_our_own_answer_is_no_second_refer(state: str) -> None:
    assert Translator(sample()).translate(asked_to_transfer("119", state=state)) == []
