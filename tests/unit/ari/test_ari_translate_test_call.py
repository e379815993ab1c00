"""A test call is one by the endpoint that it came by, and by nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.config import SyntheticCall
from ess_pbx.domain.events import Arrived, LegAnswered, SpeechBegan, SyntheticCallArrived
from ess_pbx.domain.ids import CallId, LegId
from ess_pbx.settings.model import Settings

NOW = "2026-01-01T09:00:00.000+0700"
NUMBER = "0254112999"


def given_settings() -> Settings:
    """Two centres, the second with a test number."""
    settings = sample()
    (first,) = settings.centres
    second = replace(first, id="lain", operators=(), synthetic_call=SyntheticCall(number=NUMBER))
    return replace(settings, centres=(first, second))


def channel(name: str, identifier: str = "ess1-1.1", called: str = NUMBER) -> models.Channel:
    caller = models.CallerID(name="", number="1790000000000")
    return models.Channel(
        id=identifier,
        protocol_id="",
        name=name,
        state="Ring",
        caller=caller,
        connected=caller,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="emergency", exten="112", priority=1, app_name="Stasis", app_data=""
        ),
        creationtime=NOW,
        language="id",
        channelvars={"ESS_CALLED": called},
    )


def entered(of: models.Channel) -> models.StasisStart:
    return models.StasisStart(application="ess-pbx", timestamp=NOW, args=[], channel=of)


def test_what_came_by_the_test_endpoint_is_the_centres_whose_number_it_dialled() -> None:
    (event,) = Translator(given_settings()).translate(entered(channel("PJSIP/uji-00000003")))
    assert event == SyntheticCallArrived(CallId("ess1-1.1"), "1790000000000", centre="lain")


def test_with_a_number_of_nobodys_it_is_the_firsts() -> None:
    (event,) = Translator(given_settings()).translate(
        entered(channel("PJSIP/uji-00000003", called="9"))
    )
    assert isinstance(event, SyntheticCallArrived)
    assert event.centre == "contoh"


def test_whoever_dials_the_test_number_over_a_trunk_is_a_caller() -> None:
    (event,) = Translator(given_settings()).translate(entered(channel("PJSIP/telco-a-00000003")))
    assert isinstance(event, Arrived)


def test_the_end_that_sends_it_is_answered_and_hears_as_a_leg_of_ours() -> None:
    sends = channel("PJSIP/uji-keluar-00000002", "uji:lain-17~te")
    call, leg = CallId("uji:lain-17"), LegId("uji:lain-17~te")
    translator = Translator(given_settings())
    assert translator.translate(entered(sends)) == [LegAnswered(call, leg)]
    talking = models.ChannelTalkingStarted(application="ess-pbx", timestamp=NOW, channel=sends)
    assert translator.translate(talking) == [SpeechBegan(call, leg)]
