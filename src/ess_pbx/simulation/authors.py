"""Draws a story from its seed. Whoever wants the same history again needs the seed alone."""

from __future__ import annotations

from random import Random
from typing import cast

from msgspec.structs import replace

from ess_pbx.domain.config import Strategy
from ess_pbx.simulation.sample_centre import AGENTS, OTHER_SUPERVISOR, SUPERVISOR
from ess_pbx.simulation.story import (
    AnyStep,
    Asks,
    Calls,
    CallsOut,
    Commands,
    Dials,
    Fault,
    PhoneGoes,
    Reaction,
    Setting,
    Story,
    Trouble,
)

STRATEGIES = ("longest-idle", "round-robin", "fewest-calls", "skill-first", "ring-all")
COMMANDS = (
    *("take-break", "take-break", "end-break", "end-break"),
    *("log-out", "log-in", "log-in", "end-wrap-up"),
    *("declare-surge", "end-surge", "close-call-backs"),
)
CODES = ("*10", "*11", "*12", "*13", "*14", "*15", f"*16{AGENTS[0]}", "*17", "*19")
SUPERVISORS = (SUPERVISOR, SUPERVISOR, OTHER_SUPERVISOR)
MODES = ("listen", "whisper", "barge", "take-over")
ASKED = (
    *MODES * 3,
    *("pull", "pull", "pull", "stop", "move", "move"),
    *("pause-recording", "pause-recording", "resume-recording"),
    *("mark-ghost", "mark-prank", "confirm-prank", "lift-prank"),
    *("open-report", "open-report", "link-report", "close-report"),
    *("hand-over-report", "receive-report", "receive-report", "call-back", "call-back"),
    *("earthquake", "acknowledge"),
)
"""What is asked for by API; of supervising most, for most can go wrong there."""
WHOSE = {
    "pull": (*AGENTS, *SUPERVISORS, *SUPERVISORS, "9999"),
    "move": (*AGENTS, SUPERVISOR),
    "call-back": (*AGENTS, ""),
}
"""Whom it concerns, where that is not who supervises."""
SUPERVISING_KEYS = ("1", "2", "2", "3", "3", "4", "*", "9", "12", "31", "24")
"""What supervisors press while they are with a call."""
NOT_ALLOWED = ("+6281", "112", "", "+62254123", "108")
"""Numbers that operators may not call, or supervisors."""
FIRST_CODES = (
    *("*119#", "*119#", "*110#", "*71#", "*73#", "*8119#", "*8110#", "*6#", "*0#", "holds"),
    *(f"*9{agent}#" for agent in AGENTS[:3]),
)
NEXT_CODES = (
    *("*2#", "*2#", "*3#", "*3#", "*3#", "*3#", "*4#", "*4#", "*5#", "*6#", "*0#", "*0#"),
    *("*119#", "*110#", "*8110#", f"*9{AGENTS[0]}#", f"*9{AGENTS[2]}#"),
    *("takes back", "takes back", "restarts", "dies"),
)
"""What operators do in a call; ``dies`` is their phone."""
AS_TAUGHT = (
    ("*119#", "*3#", "*110#", "*3#", "*4#"),
    ("*119#", "*2#", "*2#", "*3#", "*5#", "*110#", "*3#", "*4#"),
    ("*110#", "*3#", "*2#", "*2#", "*0#", "*0#", "*4#"),
    ("*6#", "*0#", "*0#", "*119#", "*3#", "*4#"),
    (f"*9{AGENTS[1]}#", "*3#", "*119#", "*3#", "*5#", "*4#"),
    ("*119#", "*3#", "*110#", "*3#", f"*9{AGENTS[2]}#", "*3#", "*5#", "*5#", "*5#"),
)
"""What operators do in a call who know what they want, one code after the other."""
RIGHT_PIN = "246810"
FAULTS: tuple[Fault, ...] = (
    *("event-lost", "event-doubled", "event-doubled", "event-late", "events-swapped"),
    *("line-cut", "request-fails", "request-times-out", "request-unseen", "snoops-fail"),
    "clock-jumps",
    *("asterisk-restarts", "engine-killed", "engine-killed", "engine-killed"),
    *("engine-frozen", "claims-late"),
)
NO_ENGINE = ("line-cut", "engine-killed", "engine-frozen", "claims-late")
"""Faults in which the dialplan has who calls."""
OF_RECORDINGS: tuple[Fault, ...] = (
    "recording-stops",
    "recording-stops",
    "disk-full",
    "console-fails",
)
WITH_DATABASE = 0.005
"""Which share of the stories has one."""
LENGTHS = (60.0, 60.0, 120.0, 120.0, 300.0, 600.0)
CUT_OFF = (0, 38, 127)
MOST_CALLS = 12


def story_of(seed: int) -> Story:
    """The story of a seed."""
    chance = Random(seed)  # noqa: S311 - it is to be repeated, not secret
    seconds = chance.choice(LENGTHS)
    steps: list[AnyStep] = []
    busy = chance.choice((0.5, 1.0, 2.0))
    for _ in range(1 + int(chance.expovariate(1.0) * busy * (2 + seconds / 60))):
        steps.append(_call(chance, chance.uniform(0.0, seconds * 0.8)))
        if len(steps) == MOST_CALLS:
            break
    for _ in range(_few(chance, 0.7)):
        steps.append(
            PhoneGoes(
                at=chance.uniform(0.0, seconds),
                agent=chance.choice((*AGENTS, *SUPERVISORS)),
                seconds=chance.choice((1.0, 8.0, 40.0)),
                dies=chance.random() < 0.5,
            )
        )
    for _ in range(_few(chance, 1.5)):
        agent = chance.choice((*AGENTS, *AGENTS, SUPERVISOR, "9999"))
        command = chance.choice(COMMANDS)
        steps.append(Commands(at=chance.uniform(0.0, seconds), command=command, agent=agent))
    for _ in range(_few(chance, 0.5)):
        keys = chance.choice((RIGHT_PIN, RIGHT_PIN, "111111", f"111111{RIGHT_PIN}", "2"))
        steps.append(
            Dials(
                at=chance.uniform(0.0, seconds),
                agent=chance.choice(AGENTS),
                code=chance.choice(CODES),
                keys=keys + chance.choice(("", "2", "*")),
            )
        )
    began = [step.at for step in steps if isinstance(step, Calls)]
    steps += _supervisors_and_others(chance, began)
    steps += _own_calls(chance, seconds)
    if chance.random() < 0.6:
        moments = began + [step.at for step in steps if not isinstance(step, PhoneGoes | Commands)]
        for _ in range(1 + _few(chance, 2.0)):
            # Where something is going on.
            after = chance.expovariate(chance.choice((0.1, 0.1, 1.0, 50.0)))
            trouble = _trouble(chance, chance.choice(moments) + after)
            steps.append(trouble)
            if trouble.fault in NO_ENGINE and chance.random() < 0.5:
                at = trouble.at + chance.uniform(-1.0, trouble.much)
                steps.append(_call(chance, max(0.0, at)))
    setting = _setting(chance)
    if chance.random() < WITH_DATABASE:
        setting = replace(setting, database=True)
        for _ in range(1 + _few(chance, 3.0)):
            at = chance.choice((chance.choice(began), 0.0)) + chance.expovariate(0.1)
            much, count = chance.choice((0.5, 10.0, 60.0)), chance.randrange(42)
            steps.append(Trouble(at=at, fault="database-stops", much=much, count=count))
    setting = replace(setting, record_waiting=_of_recordings(seed, steps, began, seconds))
    return Story(seed, seconds, setting, tuple(sorted(steps, key=lambda step: step.at)))


def _of_recordings(seed: int, steps: list[AnyStep], began: list[float], seconds: float) -> bool:
    """Whether callers who wait are recorded; and pauses, and what goes wrong with recordings."""
    chance = Random(f"{seed} recordings")  # noqa: S311 - to be repeated
    for _ in range(_few(chance, 0.5)):
        at = chance.choice(began) + chance.expovariate(0.07)
        for does in ("pause-recording", "resume-recording")[: chance.randint(1, 2)]:
            steps.append(Asks(at=at, does=does, which=chance.randrange(12)))
            at += chance.choice((0.005, 0.1, 5.0))
    for _ in range(_few(chance, 0.4)):
        steps.append(
            Trouble(
                at=min(chance.choice(began) + chance.expovariate(0.07), seconds),
                fault=chance.choice(OF_RECORDINGS),
                much=chance.choice((0.05, 3.0, 10.0, 30.0)),
                count=chance.randrange(8),
            )
        )
    return chance.random() < 0.7


def _supervisors_and_others(chance: Random, began: list[float]) -> list[AnyStep]:
    """What supervisors want of calls, by API and from their own phones; and reports."""
    steps: list[AnyStep] = []
    for _ in range(_few(chance, 5.0)):
        does = chance.choice(ASKED)
        whose = WHOSE.get(does, (*SUPERVISORS, *SUPERVISORS, AGENTS[0]))
        steps.append(
            Asks(
                at=chance.choice(began) + chance.expovariate(0.07),
                does=does,
                who=chance.choice(whose),
                which=chance.randrange(12),
            )
        )
    if chance.random() < 0.25:
        # One supervisor, who cannot leave a call alone.
        at, who = chance.choice(began) + chance.uniform(2.0, 10.0), chance.choice(SUPERVISORS)
        which = chance.randrange(12)
        for _ in range(chance.randint(2, 6)):
            does = chance.choice((*MODES, *MODES, "stop"))
            steps.append(Asks(at=at, does=does, who=who, which=which))
            at += chance.choice((0.001, 0.3, chance.uniform(0.5, 10.0)))
    for _ in range(_few(chance, 0.6)):
        steps.append(
            Dials(
                at=chance.choice(began) + chance.expovariate(0.07),
                agent=chance.choice((*SUPERVISORS, *SUPERVISORS, AGENTS[1])),
                code=f"*18{chance.choice(AGENTS)}",
                keys=RIGHT_PIN,
                then=_supervising(chance),
                stays=chance.choice((5.0, 25.0, 60.0)),
            )
        )
    return steps


def _own_calls(chance: Random, seconds: float) -> list[AnyStep]:
    """Operators call somebody by themselves; some too often."""
    at, steps = chance.uniform(0.0, seconds), list[AnyStep]()
    for _ in range(_few(chance, 1.0) if chance.random() < 0.8 else 6):
        agent, stays = chance.choice((*AGENTS, *SUPERVISORS)), chance.choice((1.0, 10.0, 40.0))
        number = "+62254123" if agent in SUPERVISORS else "108"
        if chance.random() < 0.15:
            number = chance.choice(NOT_ALLOWED)
        steps.append(CallsOut(at=at, agent=agent, number=number, stays=stays))
        at += chance.expovariate(0.1)
    return steps


def _supervising(chance: Random) -> tuple[tuple[float, str], ...]:
    at, then = 0.0, []
    for _ in range(chance.randint(0, 4)):
        at += chance.choice((0.1, 1.0, chance.uniform(0.5, 10.0)))
        then.append((at, chance.choice(SUPERVISING_KEYS)))
    return tuple(then)


def reaction_of(seed: int, key: str) -> Reaction:
    """What somebody does who is rung, of whom the story says nothing."""
    chance = Random(f"{seed} {key}")  # noqa: S311 - to be repeated
    agency = key.startswith(("sip:", "1"))
    does = chance.choices(("answers", "misses", "refuses"), (6, 2, 2) if agency else (8, 1, 1))[0]
    after = chance.choice((0.0, 0.1, 1.0, 3.0, chance.uniform(0.0, 14.0)))
    if does == "refuses":
        return Reaction(after, "refuses", chance.choice((17, 19, 20, 21)))
    if does == "misses":
        return Reaction(after, "misses")
    return Reaction(after, "answers", then=_then(chance, key))


def _then(chance: Random, key: str) -> tuple[tuple[float, str], ...]:
    """Operators consult and hang up; of agencies and who is called back, most hang up."""
    at = chance.uniform(0.5, 15.0)
    hangs_up = "dies" if chance.random() < 0.1 else "hangs up"
    if key.startswith("supervisor"):
        ends = ((at + 10.0, hangs_up),) if chance.random() < 0.5 else ()
        return (*_supervising(chance), *ends)
    if not key.startswith(("2", "3")):
        return ((at + 10.0, hangs_up),) if chance.random() < 0.5 else ()
    kind = chance.random()
    if kind < 0.35:
        return ((at, hangs_up),) if kind < 0.2 else ()
    if kind > 0.75:
        taught = []
        for code in chance.choice(AS_TAUGHT):
            taught.append((at, code))
            at += chance.uniform(1.0, 8.0)
        return (*taught, (at, hangs_up)) if chance.random() < 0.5 else tuple(taught)
    then = [(at, chance.choice(FIRST_CODES))]
    for _ in range(chance.randint(0, 7)):
        at += chance.uniform(0.5, 10.0)
        then.append((at, chance.choice(NEXT_CODES)))
    if chance.random() < 0.5:
        then.append((at + chance.uniform(0.1, 10.0), hangs_up))
    return tuple(then)


def _setting(chance: Random) -> Setting:
    strategy = cast("Strategy", chance.choice(STRATEGIES))
    phones = [each for each in (*AGENTS, SUPERVISOR, OTHER_SUPERVISOR) if chance.random() < 0.75]
    slow = chance.random() < 0.3
    return Setting(
        menu=chance.random() < 0.5,
        searches=chance.random() < 0.7,
        strategy=strategy,
        ladder=chance.random() < 0.5,
        wrap_up=chance.choice((0.0, 5.0, 20.0)),
        calls_back=chance.random() < 0.5,
        explicit_log_in=chance.random() < 0.15,
        hour=chance.choice((9.0, 9.0, 9.0, 18.99, 4.99, 6.98)),
        phones=tuple(phones),
        request_seconds=chance.uniform(0.01, 0.3) if slow else 0.001,
        event_seconds=chance.uniform(0.01, 0.3) if slow else 0.001,
    )


def _call(chance: Random, at: float) -> Calls:
    pressed, keys = 0.0, []
    for _ in range(_few(chance, 0.8)):
        pressed += chance.choice((0.05, 2.0, chance.uniform(0.0, 20.0)))
        keys.append((pressed, chance.choice("12359#")))
    return Calls(
        at=at,
        number=chance.randrange(4),
        patience=chance.choice((0.0, 0.1, 3.0, chance.uniform(1.0, 60.0), 120.0, 120.0)),
        talk=chance.choice((0.0, 2.0, chance.uniform(1.0, 40.0), 40.0, 60.0, 60.0, 150.0)),
        keys=tuple(keys),
        speaks=chance.uniform(0.5, 5.0) if chance.random() < 0.6 else None,
        cause=chance.choice((16, 16, 16, *CUT_OFF)),
        redials=chance.uniform(0.1, 20.0) if chance.random() < 0.3 else None,
        passed_on=chance.random() < 0.1,
    )


def _trouble(chance: Random, at: float) -> Trouble:
    fault = chance.choice(FAULTS)
    match fault:
        case "clock-jumps":
            return Trouble(at=at, fault=fault, much=chance.choice((-3600.0, 3600.0)))
        case "event-late":
            return Trouble(at=at, fault=fault, much=chance.uniform(0.01, 3.0))
        case _:
            much = chance.choice((0.05, 1.0, 3.0, 10.0))
            return Trouble(at=at, fault=fault, much=much, count=chance.randint(0, 8))


def _few(chance: Random, mean: float) -> int:
    return int(chance.expovariate(1.0 / mean)) if mean else 0
