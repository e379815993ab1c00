"""A claim that Asterisk refuses: the caller left, or the dialplan has the call by now."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from ess_pbx.ari import models
from ess_pbx.ari.translate import Translator
from ess_pbx.demo.stage import sample
from ess_pbx.domain.events import Arrived
from ess_pbx.engine.service import Engine
from ess_pbx.errors import AriRefusedError

NOW = "2026-01-01T09:00:00.000+0700"


def given_channel() -> models.Channel:
    caller = models.CallerID(name="", number="+628127000001")
    return models.Channel(
        id="ess1-1.1",
        protocol_id="",
        name="PJSIP/telco-a-00000003",
        state="Ring",
        caller=caller,
        connected=caller,
        accountcode="",
        dialplan=models.DialplanCEP(
            context="emergency", exten="112", priority=1, app_name="Dial", app_data=""
        ),
        creationtime=NOW,
        language="id",
        channelvars={"ESS_CALLED": "112"},
    )


async def fed_after(
    claim: Exception | None, look: Exception | None, exten: str = "112"
) -> tuple[list[Any], list[str]]:
    """What the engine decides on when its claim, and then its look for the channel, end so."""
    fed, asked = list[Any](), list[str]()

    def send(method: str, path: str) -> asyncio.Future[Any]:
        asked.append(f"{method} {path}")
        return answered(look, exten)

    engine = SimpleNamespace(
        ari=SimpleNamespace(send=send),
        dispatcher=SimpleNamespace(feed=fed.append),
        _translator=Translator(sample()),
        _log=structlog.get_logger(),
    )
    engine._looked_for = lambda *words: Engine._looked_for(cast(Engine, engine), *words)
    Engine._claimed(cast(Engine, engine), given_channel(), answered(claim))
    await asyncio.sleep(0)
    return fed, asked


def answered(error: Exception | None, exten: str = "112") -> asyncio.Future[Any]:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if error is None:
        done.set_result({"dialplan": {"exten": exten}})
    else:
        done.set_exception(error)
    return done


def refused(status: int) -> AriRefusedError:
    return AriRefusedError("POST", "events/claim", status, "refused")


async def test_a_caller_who_is_gone_left_before_the_claim() -> None:
    (arrived,), _ = await fed_after(refused(404), refused(404))

    assert isinstance(arrived, Arrived)
    assert arrived.gone


async def test_a_caller_after_whom_the_dialplan_clears_up_left_as_well() -> None:
    (arrived,), _ = await fed_after(refused(404), None, exten="h")

    assert arrived.gone


async def test_a_call_that_the_dialplan_has_by_now_is_none_that_ended() -> None:
    fed, asked = await fed_after(refused(404), None)

    assert fed == []
    assert asked == ["GET channels/ess1-1.1"]


@pytest.mark.parametrize("claim", [None, refused(409)], ids=["ours", "another engine's"])
async def test_of_a_claim_that_was_decided_nothing_more_is_asked(claim: Exception | None) -> None:
    assert await fed_after(claim, None) == ([], [])
