"""A centre for searches: two queues, two shifts with a gap, and menus, one without prompts."""

from __future__ import annotations

from datetime import time

from ess_pbx.domain.config import (
    Agency,
    Category,
    Centre,
    Choice,
    Contact,
    EarthquakeFeed,
    Hours,
    Menu,
    Neighbour,
    OpenPeriod,
    Operator,
    Outbound,
    OutboundRole,
    Policy,
    Queue,
    QueueKey,
    Region,
    Rung,
    Shift,
    Surge,
)

AGENTS = ("2001", "2002", "2003", "2004")
SUPERVISOR, OTHER_SUPERVISOR = "3001", "3002"
NEIGHBOUR, NEIGHBOURS_CENTRE = "polres", "d"
"""The agency that is another centre."""
LADDER = (
    Rung(after=10, step="wider-skills"),
    Rung(after=20, step="overflow", to="psc", prompt="antrean-pusat-lain"),
    Rung(after=25, step="ring-all", prompt="antrean-semua-operator"),
    Rung(after=30, step="overflow", to="polres"),
    Rung(after=40, step="supervisors"),
)
SKILLS = {"2001": {"medis": 2}, "2002": {"bahasa-en": 1}}


def a_centre(
    menu: bool,
    wrap_up: float,
    searches: bool,
    calls_back: bool = False,
    rings_all: bool = False,
    supervisors: tuple[str, ...] = (SUPERVISOR,),
) -> Centre:
    """With or without a menu; ``wrap_up`` in seconds; ``rings_all`` in the queue of most."""
    return Centre(
        id="c",
        name="C",
        default_queue="umum",
        default_category="lainnya",
        first_menu="utama" if menu else None,
        policy=Policy(
            wrap_up=wrap_up,
            search_at_once=searches,
            rona_limit=2,
            ladder=LADDER,
            silent_every=20,
            prank_marks=1,
            prank_days=0.1,
            prank_warning="peringatan",
            call_back=calls_back,
            call_back_after=1.0,
            call_back_delays=(0.0, 5.0),
            call_back_attempts=2,
        ),
        surge=Surge(
            ask_own_need="inform" if searches else "wait",
            feed=EarthquakeFeed(region=Region(latitude=-6.0, longitude=106.0)),
        ),
        outbound=Outbound(
            trunk="telco",
            operator=OutboundRole(allow=("108",), per_day=3),
            supervisor=OutboundRole(allow=("+62254*",), per_day=2),
        ),
        queues=(
            Queue(id="umum", name="Umum", strategy="ring-all" if rings_all else "longest-idle"),
            Queue(id="medis", name="Medis", operators=("2001", "2004")),
        ),
        categories=(
            Category(id="lainnya", name="Lainnya", queue="umum"),
            Category(id="medis", name="Medis", queue="medis", skills=("medis",)),
        ),
        shifts=(
            Shift(id="a", name="A", starts=time(7), ends=time(19), operators=AGENTS[:3]),
            Shift(id="b", name="B", starts=time(19), ends=time(5), operators=AGENTS[2:]),
        ),
        operators=(
            *(Operator(extension=each, name=each, skills=SKILLS.get(each, {})) for each in AGENTS),
            *(Operator(extension=each, name="Penyelia", role="supervisor") for each in supervisors),
        ),
        agencies=(
            Agency(
                id="psc",
                name="P",
                code="119",
                contacts=(
                    Contact(sip="sip:119@127.0.0.1"),
                    Contact(extension=AGENTS[2]),
                    Contact(trunk="telco", number="119"),
                ),
            ),
            Agency(
                id=NEIGHBOUR,
                name="P",
                code="110",
                contact="sip:110@127.0.0.1",
                introduction=True,
                neighbour=Neighbour(centre=NEIGHBOURS_CENTRE, url="https://d"),
            ),
        ),
        menus={
            "utama": Menu(
                prompts=("menu-utama", "menu-lanjutan"),
                keys={
                    "1": Choice(category="medis", priority=7),
                    "2": Choice(menu="lain"),
                    "3": Choice(language="en", menu="utama"),
                    "9": Choice(information=("jam-buka",), then="end"),
                },
                otherwise=Choice(),
                repeats=1,
            ),
            "lain": Menu(
                keys={
                    "1": Choice(back=True),
                    "2": Choice(information=("jam-buka",)),
                    "3": Choice(play=("jam-buka",)),
                    "9": Choice(menu="kantor"),
                },
                otherwise=Choice(category="medis"),
            ),
            "kantor": Menu(
                prompts=("menu-kantor",),
                otherwise=Choice(),
                hours=Hours(
                    open=(OpenPeriod(since=time(8), to=time(15)),),
                    closed=Choice(information=("tutup",), then="end"),
                ),
            ),
        }
        if menu
        else {},
        queue_keys={
            "2": QueueKey(category="medis", play=("pindah",), hint="butuh-ambulans"),
            "3": QueueKey(priority=8),
        },
    )
