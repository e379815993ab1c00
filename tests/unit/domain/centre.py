"""A sample centre, a caller, and what is looked for among effects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import Any, TypeVar, get_args

from msgspec.structs import replace

from ess_pbx.domain.config import (
    Agency,
    Category,
    Centre,
    Choice,
    Menu,
    Operator,
    Policy,
    Queue,
    Shift,
)
from ess_pbx.domain.effects import (
    AsteriskEffect,
    EngineEffect,
)
from ess_pbx.domain.events import (
    Arrived,
)
from ess_pbx.domain.ids import CallId, caller_leg

E = TypeVar("E")

CALL = CallId("ess1-1700000000.1")
OTHER = CallId("ess1-1700000000.2")
CALLER = caller_leg(CALL)
POLICY = Policy(
    search_at_once=False,
    call_back=False,
    ring=12,
    rona_pause=5,
    wrap_up=20,
    agency_ring=45,
    comfort=20,
    silent_after=0,
    redial_within=0,
)
DAY, EVENING = ("2001", "2002", "2003"), ("2004",)

CENTRE = Centre(
    id="contoh",
    name="Contoh",
    greeting="selamat-datang",
    first_menu="utama",
    default_queue="umum",
    default_category="lainnya",
    policy=POLICY,
    queues=(
        Queue(id="umum", name="Umum"),
        Queue(id="medis", name="Medis", operators=("2001", "2004")),
    ),
    categories=(
        Category(id="lainnya", name="Lainnya", queue="umum"),
        Category(id="medis", name="Medis", queue="medis"),
        Category(id="banjir", name="Banjir", queue="umum"),
    ),
    shifts=(
        Shift(id="pagi", name="Pagi", starts=time(7), ends=time(15), operators=DAY),
        Shift(id="sore", name="Sore", starts=time(15), ends=time(23), operators=EVENING),
    ),
    operators=tuple(Operator(extension=each, name=each) for each in (*DAY, *EVENING)),
    agencies=(
        Agency(id="psc", name="PSC", code="119", contact="sip:119@127.0.0.1"),
        Agency(id="polres", name="Polres", code="110", contact="sip:110@127.0.0.1"),
    ),
    menus={
        "utama": Menu(
            prompts=("menu-utama", "menu-lanjutan"),
            keys={
                "1": Choice(category="medis"),
                "2": Choice(menu="bencana"),
                "3": Choice(category="banjir", queue="medis", priority=8),
                "8": Choice(priority=0),
                "9": Choice(language="en", menu="utama"),
            },
            otherwise=Choice(category="lainnya"),
            timeout=4.0,
        ),
        "bencana": Menu(
            prompts=("menu-bencana",),
            keys={"1": Choice(category="banjir", priority=9)},
            otherwise=Choice(),
            timeout=3.0,
        ),
    },
)
NO_MENU = replace(CENTRE, first_menu=None)


def renumbered(centre: Centre, name: str, first: str) -> Centre:
    """The same centre under another id, with extensions that begin with another digit."""

    def moved(extensions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(first + each[1:] for each in extensions)

    return replace(
        centre,
        id=name,
        queues=tuple(replace(each, operators=moved(each.operators)) for each in centre.queues),
        shifts=tuple(replace(each, operators=moved(each.operators)) for each in centre.shifts),
        operators=tuple(
            replace(each, extension=first + each.extension[1:]) for each in centre.operators
        ),
    )


def of(effects: Iterable[object], kind: type[E]) -> list[E]:
    """Those effects that are of one kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def requests(effects: Iterable[EngineEffect]) -> list[EngineEffect]:
    """Those effects that are asked of Asterisk."""
    return [effect for effect in effects if isinstance(effect, get_args(AsteriskEffect))]


def arrival(call: CallId = CALL, **changes: Any) -> Arrived:
    """A call to 112 from a mobile phone."""
    fields: dict[str, Any] = {
        "caller_raw": "08123456789",
        "caller_e164": "+628123456789",
        "caller_display": "0812-3456-789",
        "called": "112",
        "trunk": "telco-a",
    }
    return Arrived(call, **(fields | changes))
