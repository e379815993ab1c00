"""What supervisors, operators and neighbours ask of the centre by API, each as the event it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ess_pbx.domain.commands import (
    AcknowledgeAlarm,
    Asker,
    CallBackNow,
    CloseCallBack,
    Command,
    ConfirmPrank,
    DeclareSurge,
    EndBreak,
    EndSurge,
    EndWrapUp,
    LiftPrank,
    LogIn,
    LogOut,
    Mark,
    MarkCall,
    Mode,
    MoveOperator,
    PauseRecording,
    PullCall,
    ResumeRecording,
    StopSupervising,
    Supervise,
    TakeBreak,
    Via,
)
from ess_pbx.domain.earthquake import Earthquake, Tsunami
from ess_pbx.domain.events import CentreEvent, EarthquakeReported
from ess_pbx.domain.hand_overs import HandOverReport
from ess_pbx.domain.handed_over import ReceiveReport, neighbour
from ess_pbx.domain.handed_report import HandedReport, What
from ess_pbx.domain.incident import Fields, HandedCall
from ess_pbx.domain.incidents import CloseReport, LinkCall, OpenReport
from ess_pbx.simulation.sample_centre import NEIGHBOUR, NEIGHBOURS_CENTRE

if TYPE_CHECKING:
    from ess_pbx.domain.call import Call
    from ess_pbx.simulation.story import Asks
    from ess_pbx.simulation.world import World

T = TypeVar("T")

BY = Asker("3001", Via.API)
REFUSED_ANYHOW = 6
"""One in so many asks where there is nobody whom it can concern."""


def wanted(world: World, command: str, agent: str) -> list[Command]:
    """A command that concerns an operator, or the whole centre."""
    match command:
        case "take-break":
            return [TakeBreak(BY, agent, "sholat")]
        case "end-break":
            return [EndBreak(BY, agent)]
        case "log-in":
            return [LogIn(BY, agent)]
        case "log-out":
            return [LogOut(BY, agent)]
        case "end-wrap-up":
            return [EndWrapUp(BY, agent)]
        case "declare-surge":
            return [DeclareSurge(BY, "gempa")]
        case "end-surge":
            return [EndSurge(BY, "selesai")]
        case _:
            return [CloseCallBack(BY, task, "tutup") for task in world.core.call_backs.open]


def asked(world: World, step: Asks) -> CentreEvent | None:
    """The event that a step is now; None when there is nothing that it could concern."""
    return ASKED[step.does](world, step)


def passed_on(number: int) -> str:
    """A neighbour's own name of a call that it passes on."""
    return f"x-{number % 3}"


def _one_of(all_of_them: Iterable[T], step: Asks) -> T | None:
    there: Sequence[T] = list(all_of_them)
    return there[step.which % len(there)] if there else None


def _call(world: World, step: Asks) -> Call | None:
    """One with an operator: of others most is refused, which some try all the same."""
    calls = world.core.calls.values()
    anyhow = calls if step.which % REFUSED_ANYHOW == 0 else ()
    return _one_of([each for each in calls if each.operator is not None] or anyhow, step)


def _supervise(mode: Mode) -> Asked:
    def asked(world: World, step: Asks) -> CentreEvent | None:
        call = _call(world, step)
        return None if call is None else Supervise(BY, call.id, step.who, mode)

    return asked


def _stop(world: World, step: Asks) -> CentreEvent | None:
    calls = world.core.calls.values()
    anyhow = calls if step.which % REFUSED_ANYHOW == 0 else ()
    call = _one_of([each for each in calls if each.supervision is not None] or anyhow, step)
    return None if call is None else StopSupervising(BY, call.id)


def _pull(world: World, step: Asks) -> CentreEvent | None:
    anyhow = world.core.calls if step.which % REFUSED_ANYHOW == 0 else ()
    call = _one_of(world.core.acd.waiting or anyhow, step)
    return None if call is None else PullCall(BY, call, step.who)


def _move(_: World, step: Asks) -> CentreEvent | None:
    queues = _one_of((("umum",), ("medis",), ("umum", "medis"), (), ("tak-ada",)), step) or ()
    return MoveOperator(BY, step.who, queues)


def _pause(world: World, step: Asks) -> CentreEvent | None:
    call = _call(world, step)
    return None if call is None else PauseRecording(BY, call.id, "rekening")


def _resume(world: World, step: Asks) -> CentreEvent | None:
    call = _one_of(world.core.recording_pauses.until, step) or _one_of(world.core.calls, step)
    return None if call is None else ResumeRecording(BY, call)


def _mark(mark: Mark) -> Asked:
    def asked(world: World, step: Asks) -> CentreEvent | None:
        call = _one_of(world.core.kept.calls, step)
        return None if call is None else MarkCall(BY, call, mark)

    return asked


def _confirm(_: World, step: Asks) -> CentreEvent | None:
    return ConfirmPrank(BY, f"+62812345678{step.which % 4}", "iseng")


def _lift(_: World, step: Asks) -> CentreEvent | None:
    return LiftPrank(BY, f"+62812345678{step.which % 4}", "keliru")


def _report(world: World, step: Asks) -> CentreEvent | None:
    call = _call(world, step)
    return OpenReport(BY, Fields(place="x"), None if call is None else call.id)


def _link(world: World, step: Asks) -> CentreEvent | None:
    report, call = _one_of(world.core.incidents.open, step), _call(world, step)
    return None if report is None or call is None else LinkCall(BY, report, call.id)


def _close(world: World, step: Asks) -> CentreEvent | None:
    report = _one_of(world.core.incidents.open, step)
    return None if report is None else CloseReport(BY, report, "selesai")


def _hand_over(world: World, step: Asks) -> CentreEvent | None:
    report = _one_of(world.core.incidents.open, step)
    return None if report is None else HandOverReport(BY, report, NEIGHBOUR)


def _receive(world: World, step: Asks) -> CentreEvent | None:
    number = step.which % 3
    report = HandedReport(
        centre=NEIGHBOURS_CENTRE,
        centre_name="D",
        ticket=f"D-{number}",
        version=1 + step.which % 2,
        opened_at=world.wall,
        what=What(place="y"),
        calls=(HandedCall(id=passed_on(number)),),
    )
    return ReceiveReport(neighbour(NEIGHBOURS_CENTRE), report)


def _call_back(world: World, step: Asks) -> CentreEvent | None:
    task = _one_of(world.core.call_backs.open, step)
    return None if task is None else CallBackNow(BY, task, step.who or None)


def _quake(world: World, step: Asks) -> CentreEvent | None:
    tsunami = list(Tsunami)[step.which % len(Tsunami)]
    return EarthquakeReported(
        Earthquake(f"q{step.which % 2}", world.wall, -6.0, 106.0, 6.0, None, "", tsunami)
    )


def _acknowledge(world: World, step: Asks) -> CentreEvent | None:
    alarm = _one_of((*world.core.surge.alarms, *world.core.alarms.standing), step)
    return None if alarm is None else AcknowledgeAlarm(BY, alarm)


Asked: TypeAlias = "Callable[[World, Asks], CentreEvent | None]"

ASKED: Mapping[str, Asked] = MappingProxyType(
    {
        "listen": _supervise(Mode.LISTEN),
        "whisper": _supervise(Mode.WHISPER),
        "barge": _supervise(Mode.BARGE),
        "take-over": _supervise(Mode.TAKE_OVER),
        "stop": _stop,
        "pull": _pull,
        "move": _move,
        "pause-recording": _pause,
        "resume-recording": _resume,
        "mark-ghost": _mark(Mark.GHOST),
        "mark-prank": _mark(Mark.PRANK),
        "confirm-prank": _confirm,
        "lift-prank": _lift,
        "open-report": _report,
        "link-report": _link,
        "close-report": _close,
        "hand-over-report": _hand_over,
        "receive-report": _receive,
        "call-back": _call_back,
        "earthquake": _quake,
        "acknowledge": _acknowledge,
    }
)
"""By what a step says that it does."""
