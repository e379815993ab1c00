"""Hands each command to what it concerns: what somebody asks for, by API, command line or phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess_pbx.domain import moves, pranks, restoring, supervision_desk
from ess_pbx.domain.commands import (
    AcknowledgeAlarm,
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
    MarkCall,
    MoveOperator,
    PauseRecording,
    PullCall,
    ResumeRecording,
    StopSupervising,
    Supervise,
    TakeBreak,
)
from ess_pbx.domain.effects import EngineEffect, Refused
from ess_pbx.domain.hand_overs import HandOverReport
from ess_pbx.domain.handed_over import ReceiveReport
from ess_pbx.domain.incidents import ReportCommand
from ess_pbx.domain.presence import carry_out, unknown_operator
from ess_pbx.domain.supervision import ListenByPhone

if TYPE_CHECKING:
    from ess_pbx.domain.call_centre import CallCentre


def decide_command(centre: CallCentre, command: Command, now: float) -> list[EngineEffect]:
    """What somebody asks for, by API, command line or phone."""
    effects: list[EngineEffect] = []
    match command:
        case LogIn() | LogOut() | TakeBreak() | EndBreak() | EndWrapUp():
            done = carry_out(command, centre.acd, centre.config.policy, now)
            centre.follow(done, now, effects)
        case MoveOperator():
            centre.follow(moves.move(command, centre.acd, centre.config), now, effects)
        case CallBackNow(agent=str(agent)) if agent not in centre.acd.seats:
            effects.append(unknown_operator(agent))
        case CallBackNow() | CloseCallBack():
            follows = centre.desk.command(command, centre.calls, centre.wall(now))
            centre.follow(follows, now, effects)
        case Supervise() | ListenByPhone() | StopSupervising() | PullCall():
            asked = supervision_desk.command(command, centre.calls, centre.acd)
            centre.follow(asked, now, effects)
        case DeclareSurge() | EndSurge():
            effects += centre.surge.command(command, centre.wall(now))
        case _ if isinstance(command, ReportCommand):
            effects += centre.incidents.decide(command, centre.local_time(now))
        case ReceiveReport():
            effects += centre.handed_over.receive(command, centre.local_time(now))
        case HandOverReport():
            effects += centre.hand_overs.command(command)
        case MarkCall(_, call):
            number, at = centre.number_of(call), centre.wall(now)
            effects += pranks.mark(centre.callers, centre.config.policy, command, number, at)
        case PauseRecording(_, call):
            talking = call in centre.calls and centre.calls[call].phase in restoring.HUMANS
            policy, at = centre.config.policy, centre.wall(now)
            effects.append(centre.recording_pauses.pause(command, policy, talking=talking, at=at))
        case ResumeRecording():
            effects.append(centre.recording_pauses.resume(command))
        case ConfirmPrank():
            effects += pranks.confirm(centre.config.policy, command, centre.wall(now))
        case LiftPrank():
            effects += pranks.lift(centre.callers, command)
        case AcknowledgeAlarm(_, alarm) if alarm in centre.surge.alarms:
            effects += centre.surge.command(command, centre.wall(now))
        case AcknowledgeAlarm():
            effects.append(centre.alarms.acknowledge(command))
        case _:
            effects.append(Refused("not-supported", f"{type(command).__name__}: not known"))
    return effects
