"""What is to happen in one run, as data: the centre, what people and faults do when, and how
people react when they are rung. Times are virtual seconds.

A story says all: with the same one the same things happen, to the last event. What it does not say
of how somebody reacts, they do as one should.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import msgspec


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The centre of a story, and how long its lines are."""

    menu: bool = False
    searches: bool = True
    """Whether operators are rung while the caller still hears the menu."""
    strategy: str = "longest-idle"
    """Of the queue of most."""
    ladder: bool = False
    """A ladder in some tens of seconds; else the policy's own."""
    wrap_up: float = 0.0
    calls_back: bool = False
    explicit_log_in: bool = False
    hour: float = 9.0
    """Local time at which the story begins."""
    phones: tuple[str, ...] = ()
    """Those that are registered as it begins."""
    database: bool = False
    """Whether the facts go into one."""
    record_waiting: bool = True
    request_seconds: float = 0.001
    event_seconds: float = 0.001
    """How long a request takes to Asterisk, and an event back."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what"):
    """Something that happens at a time."""

    at: float


class Calls(Step, frozen=True, tag="calls"):
    """Somebody dials 112."""

    number: int
    """Whose phone it is: few numbers, so that some call again."""
    patience: float
    """Seconds after which they hang up, unless they talk with somebody."""
    talk: float
    """Seconds that they talk with whoever answers."""
    keys: tuple[tuple[float, str], ...] = ()
    """Keys, and how long after the call they are pressed."""
    speaks: float | None = None
    """When they begin to speak."""
    cause: int = 16
    """Q.850 cause of their hanging up: on purpose (16) or cut off."""
    redials: float | None = None
    """Calls again so long after leaving in vain."""
    passed_on: bool = False
    """Comes from a neighbouring centre, which says which of its calls it is."""


class Commands(Step, frozen=True, tag="commands"):
    """A supervisor, or the operator, asks for something by API."""

    command: str
    agent: str = ""


class Asks(Step, frozen=True, tag="asks"):
    """Somebody asks by API for something that concerns a call, an operator or a report.

    Which call it is depends on those that go on: ``askers`` has all that can be asked.
    """

    does: str
    who: str = ""
    """Whose phone is rung, or who is moved."""
    which: int = 0
    """Of those whom it can concern, modulo how many there are."""


class Dials(Step, frozen=True, tag="dials"):
    """An operator dials a code on their own phone: to change their status, or to listen."""

    agent: str
    code: str
    keys: str = ""
    then: tuple[tuple[float, str], ...] = ()
    """Keys so long after those of the PIN."""
    stays: float = 25.0
    """Seconds after which they hang up."""


class CallsOut(Step, frozen=True, tag="calls-out"):
    """An operator calls somebody by themselves."""

    agent: str
    number: str
    stays: float = 25.0
    """Seconds after which they hang up."""


class PhoneGoes(Step, frozen=True, tag="phone-goes"):
    """An operator's phone vanishes for a while, mid-call too when it ``dies``."""

    agent: str
    seconds: float
    dies: bool = False


Fault: TypeAlias = Literal[
    "event-lost",
    "event-doubled",
    "event-late",
    "events-swapped",
    "line-cut",
    "request-fails",
    "request-times-out",
    "request-unseen",
    "snoops-fail",
    "clock-jumps",
    "asterisk-restarts",
    "engine-killed",
    "engine-frozen",
    "claims-late",
    "database-stops",
    "recording-stops",
    "disk-full",
    "console-fails",
]


class Trouble(Step, frozen=True, tag="trouble"):
    """A fault. Of events and requests it is the next one that meets it."""

    fault: Fault
    much: float = 0.0
    """Seconds that an event or a claim is late, the line is cut, the engine is frozen, the database
    is away, the disk for recordings is full, Asterisk's console fails, or the clock jumps."""
    count: int = 0
    """How the database or the console fails, which recording stops, facts torn off, effects until
    the engine is killed, requests that still arrive, or snoop channels or claims that come to
    nothing."""


AnyStep: TypeAlias = Calls | Commands | Asks | Dials | CallsOut | PhoneGoes | Trouble


class Reaction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody does whose phone rings."""

    after: float = 1.0
    does: Literal["answers", "refuses", "misses"] = "answers"
    cause: int = 17
    """Q.850, of a refusal."""
    then: tuple[tuple[float, str], ...] = ()
    """What they do so long after they answered: keys they dial, ``holds`` or ``takes back``
    by the button of the phone, ``restarts`` (their RTP stream), ``hangs up`` or ``dies``."""


AS_ONE_SHOULD = Reaction()


class Story(msgspec.Struct, frozen=True):
    """One run."""

    seed: int
    seconds: float
    """How long things happen; after that everybody hangs up."""
    setting: Setting
    steps: tuple[AnyStep, ...]
    reactions: dict[str, Reaction] | None = None
    """By ``<address>#<how many rings before>``; of who is rung to listen, or called by an operator,
    ``<role> <address>#…``. None: drawn from the seed as they are needed."""


def load(path: Path) -> Story:
    """A story that was kept."""
    return msgspec.json.decode(path.read_bytes(), type=Story)


def save(story: Story, path: Path) -> None:
    """Keep a story, to be told again by a test."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n")
