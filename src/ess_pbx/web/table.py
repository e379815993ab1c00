"""All that can be asked of the API, who may ask it, and on whose behalf: one table.

Routes, permission checks, the OpenAPI document and their tests are made from it. A row is either a
command of ``domain.commands``, ``domain.incidents`` or ``domain.hand_overs``, whose fields are the
path's parameters and the body's together, or what the API does itself (``does``), which but for
signing in and out is to show something.

Everything is of one centre: the account's own. Who belongs to none names it with ``?centre=``,
where the operator, call, task or report of the path does not say it (``ess_pbx.web.whose``); what
is a list is of all centres together, unless one is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from ess_pbx.domain import commands, hand_overs, incidents
from ess_pbx.domain.commands import Command
from ess_pbx.web import models, report_models
from ess_pbx.web.accounts import Role

PREFIX = "/api/v1"

EVERYONE = frozenset(Role)
LEADERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
ANYBODY: frozenset[Role] = frozenset()
"""Whoever reaches the port, signed in or not."""

Does = Literal[
    "sign-in",
    "sign-out",
    "who",
    "centres",
    "operators",
    "operator",
    "calls",
    "history",
    "form",
    "reports",
    "report",
    "find-reports",
    "hand-overs",
    "pranks",
    "call-backs",
    "surge",
    "outbound",
    "alarms",
    "access",
    "openapi",
]
CALL_BACKS: Any = list[dict[str, Any]]
Own = Literal["agent", "call"]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that can be asked."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """Under ``PREFIX``; parts in braces are ``models.PARAMETERS``."""
    roles: frozenset[Role]
    summary: str
    command: type[Command] | None = None
    does: Does | None = None
    own: Own | None = None
    """Which field must be an operator's own: their extension, or a call that they had."""
    body: type[models.Body] = models.Nothing
    answer: Any = models.Done

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def of_each(self) -> bool:
        """Whether it is a list, to which every centre that one sees adds its own."""
        return get_origin(self.answer) is list and self.does not in ("history", "find-reports")

    @property
    def name(self) -> str:
        """For logs and as the OpenAPI operationId: no value of anybody's is in it."""
        return f"{self.method} {self.path}"


def _reads(
    path: str,
    does: Does,
    roles: frozenset[Role],
    answer: Any,
    summary: str,
    *,
    own: Own | None = None,
) -> Row:
    return Row("GET", path, roles, summary, does=does, own=own, answer=answer)


def _asks(
    path: str,
    command: type[Command],
    roles: frozenset[Role],
    summary: str,
    *,
    own: Own | None = None,
    body: type[models.Body] = models.Nothing,
) -> Row:
    return Row("POST", path, roles, summary, command=command, own=own, body=body)


def _writes(
    path: str, command: type[Command], summary: str, body: type[models.Body] = models.Nothing
) -> Row:
    """Reports are everybody's of the centre: whoever takes the next call about it goes on."""
    path, answer = f"/reports{path}", models.ReportWithTwins
    return Row("POST", path, EVERYONE, summary, command=command, body=body, answer=answer)


TABLE: tuple[Row, ...] = (
    Row(
        "POST",
        "/session",
        ANYBODY,
        "Sign in: a token for an account and its PIN or password.",
        does="sign-in",
        body=models.SignIn,
        answer=models.SignedIn,
    ),
    Row("DELETE", "/session", EVERYONE, "Sign out.", does="sign-out"),
    _reads("/session", "who", EVERYONE, models.SignedIn, "Who is signed in."),
    _reads("/centres", "centres", EVERYONE, list[models.CentreView], "The centres one sees."),
    _reads("/operators", "operators", EVERYONE, list[models.OperatorView], "All operators."),
    _reads("/operators/{agent}", "operator", EVERYONE, models.OperatorView, "One operator."),
    _asks(
        "/operators/{agent}/log-in",
        commands.LogIn,
        EVERYONE,
        "An operator is at their place.",
        own="agent",
    ),
    _asks(
        "/operators/{agent}/log-out",
        commands.LogOut,
        EVERYONE,
        "An operator leaves their place.",
        own="agent",
    ),
    _asks(
        "/operators/{agent}/break",
        commands.TakeBreak,
        EVERYONE,
        "Calls pass an operator by.",
        own="agent",
        body=models.TakeBreakBody,
    ),
    _asks(
        "/operators/{agent}/end-break",
        commands.EndBreak,
        EVERYONE,
        "An operator takes calls again.",
        own="agent",
    ),
    _asks(
        "/operators/{agent}/move",
        commands.MoveOperator,
        LEADERS,
        "An operator is offered the calls of these queues until their duty ends; of none: of their "
        "own again.",
        body=models.MoveBody,
    ),
    _asks(
        "/operators/{agent}/end-wrap-up",
        commands.EndWrapUp,
        EVERYONE,
        "The report is written: the next call may come.",
        own="agent",
    ),
    _reads("/calls", "calls", EVERYONE, list[models.CallView], "The calls that go on."),
    _asks(
        "/calls/{call}/mark",
        commands.MarkCall,
        EVERYONE,
        "Say what a call was.",
        own="call",
        body=models.MarkBody,
    ),
    _asks(
        "/calls/{call}/supervise",
        commands.Supervise,
        LEADERS,
        "A supervisor, whose phone is rung, listens, whispers, barges in or takes over.",
        body=models.SuperviseBody,
    ),
    _asks(
        "/calls/{call}/stop-supervising",
        commands.StopSupervising,
        LEADERS,
        "The supervisor leaves the call.",
    ),
    _asks(
        "/calls/{call}/pull",
        commands.PullCall,
        LEADERS,
        "A waiting call is offered to an operator or supervisor at once.",
        body=models.PullBody,
    ),
    _asks(
        "/calls/{call}/pause-recording",
        commands.PauseRecording,
        EVERYONE,
        "What is said next is not recorded, where the centre allows it.",
        own="call",
        body=models.ReasonBody,
    ),
    _asks(
        "/calls/{call}/resume-recording",
        commands.ResumeRecording,
        EVERYONE,
        "Record again.",
        own="call",
    ),
    _reads(
        "/calls/{call}/history",
        "history",
        EVERYONE,
        list[models.EarlierCall],
        "Earlier calls of the same number, for as long as its recordings are kept.",
        own="call",
    ),
    _reads(
        "/form",
        "form",
        EVERYONE,
        report_models.FormView,
        "What a report is made of: categories, questions, districts, agencies.",
    ),
    _reads("/reports", "reports", EVERYONE, list[models.ReportView], "The reports that are open."),
    Row(
        "POST",
        "/reports/search",
        EVERYONE,
        "Reports of any day by their ticket, caller or day, the newest first; at most 50.",
        does="find-reports",
        body=report_models.FindReportsBody,
        answer=list[report_models.FoundReport],
    ),
    _reads(
        "/reports/{report}",
        "report",
        EVERYONE,
        models.ReportWithTwins,
        "A report, and those it may be one with.",
    ),
    _writes("", incidents.OpenReport, "Begin a report.", models.OpenReportBody),
    _writes(
        "/{report}/save",
        incidents.SaveReport,
        "Write into a report; 409 tells what others have written there since.",
        models.WriteReportBody,
    ),
    _writes(
        "/{report}/draft",
        incidents.DraftReport,
        "Keep what was typed so far.",
        models.WriteReportBody,
    ),
    _writes("/{report}/link", incidents.LinkCall, "One more call about it.", models.LinkBody),
    _writes(
        "/{report}/join",
        incidents.JoinReport,
        "It is of the same event as another, which goes on for both.",
        models.JoinBody,
    ),
    _writes(
        "/{report}/agencies/{agency}",
        incidents.AgencyStep,
        "An agency was given the report, or said how far it is.",
        models.StepBody,
    ),
    _writes(
        "/{report}/hand-over/{agency}",
        hand_overs.HandOverReport,
        "A neighbouring centre gets it, and what changes in it from now on.",
    ),
    _reads(
        "/hand-overs",
        "hand-overs",
        EVERYONE,
        list[models.HandOverView],
        "The reports that neighbouring centres get, and what they have of them.",
    ),
    _writes("/{report}/close", incidents.CloseReport, "It is done with.", models.OutcomeBody),
    _writes("/{report}/reopen", incidents.ReopenReport, "It goes on.", models.ReasonBody),
    _reads("/pranks", "pranks", LEADERS, list[models.PrankView], "Numbers with pranks."),
    _asks(
        "/pranks/confirm",
        commands.ConfirmPrank,
        LEADERS,
        "A number's calls wait behind others for a while.",
        body=models.PrankBody,
    ),
    _asks(
        "/pranks/lift",
        commands.LiftPrank,
        LEADERS,
        "A number waits like any other again.",
        body=models.PrankBody,
    ),
    _reads("/call-backs", "call-backs", EVERYONE, CALL_BACKS, "Who is to be called back."),
    _asks(
        "/call-backs/{task}/now",
        commands.CallBackNow,
        EVERYONE,
        "Call back at once.",
        own="agent",
        body=models.CallBackBody,
    ),
    _asks(
        "/call-backs/{task}/close",
        commands.CloseCallBack,
        LEADERS,
        "No call back is needed any more.",
        body=models.ReasonBody,
    ),
    _reads("/surge", "surge", EVERYONE, models.SurgeView, "Whether surge mode is on, and why."),
    _asks(
        "/surge/declare",
        commands.DeclareSurge,
        LEADERS,
        "Surge mode begins, or what is said of it changes.",
        body=models.SurgeBody,
    ),
    _asks("/surge/end", commands.EndSurge, LEADERS, "Surge mode ends.", body=models.ReasonBody),
    _reads(
        "/outbound",
        "outbound",
        LEADERS,
        list[models.OutboundView],
        "Calls that operators placed by themselves today, and attempts that were refused.",
    ),
    _reads("/alarms", "alarms", EVERYONE, list[models.AlarmView], "The alarms that stand."),
    _asks(
        "/alarms/{alarm}/acknowledge",
        commands.AcknowledgeAlarm,
        LEADERS,
        "An alarm was seen; it stands on, silently.",
    ),
    _reads("/access", "access", ADMINS, models.Access, "How the API is used."),
    _reads("/openapi.json", "openapi", ANYBODY, Any, "This document."),
)
