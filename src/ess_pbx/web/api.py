"""The HTTP application: one handler for every row of the table, the live feed, and health."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from aiohttp import web

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.incident import Incident
from ess_pbx.domain.incidents import TakeBack
from ess_pbx.engine.service import Engine
from ess_pbx.log import get_logger
from ess_pbx.web import remembered, reports, views
from ess_pbx.web.access import Access
from ess_pbx.web.accounts import ADMIN, Account
from ess_pbx.web.answers import (
    BODY_BYTES,
    ApiError,
    answer,
    errors_in_json,
    harden,
    wrong_content,
)
from ess_pbx.web.had_calls import HadCalls
from ess_pbx.web.handed_over import PATH as HANDED_OVER
from ess_pbx.web.handed_over import HandedOver
from ess_pbx.web.live import LiveFeed
from ess_pbx.web.masking import shown
from ess_pbx.web.models import (
    PARAMETERS,
    Done,
    Health,
    Nothing,
    Readiness,
    ReportWithTwins,
    SignIn,
)
from ess_pbx.web.models import Access as AccessView
from ess_pbx.web.old_reports import found, old_report
from ess_pbx.web.openapi import document
from ess_pbx.web.permission import may_not, not_own
from ess_pbx.web.report_form import form
from ess_pbx.web.report_models import FindReportsBody
from ess_pbx.web.scrape import MetricsPage
from ess_pbx.web.table import PREFIX, TABLE, Row
from ess_pbx.web.whose import CENTRE, centre_of, concerned, seen

JOURNAL_STUCK = 2.0
"""Seconds after which a disk that has not answered counts as one that does not take facts."""

_log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The API of one engine."""

    def __init__(
        self,
        engine: Engine,
        access: Access,
        metrics: MetricsPage,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._metrics = metrics
        self.access = access
        self.live = LiveFeed(engine.centres, access, monotonic)
        self.had = HadCalls()
        self.handed_over = HandedOver(engine, access)
        self._monotonic = monotonic
        self._openapi = msgspec.json.encode(document(_version()))

    def application(self) -> web.Application:
        """The routes, for a runner."""
        application = web.Application(middlewares=[errors_in_json], client_max_size=BODY_BYTES)
        application.on_response_prepare.append(harden)
        for row in TABLE:
            application.router.add_route(row.method, PREFIX + row.path, self._handler(row))
        application.router.add_get(f"{PREFIX}/live", self.live.serve)
        application.router.add_put(HANDED_OVER, self.handed_over.serve)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics.serve)
        return application

    def readiness(self) -> Readiness:
        """Whether calls can be taken and written down now."""
        engine = self.engine
        asterisk, stock, journal = engine.ari.connected, engine.phones_known, engine.journal
        writes = not journal.refused and journal.stuck < JOURNAL_STUCK
        parts = {
            "Asterisk: ARI is not connected": asterisk,
            "Asterisk: the calls that it holds are not known yet": stock,
            f"journal: {journal.waiting} facts are in memory only; see its disk": writes,
        }
        lacking = [text for text, ready in parts.items() if not ready]
        return Readiness(
            ok=not lacking, asterisk=asterisk, stock=stock, journal=writes, lacking=lacking
        )

    def _handler(self, row: Row) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if row.does == "openapi":
                return web.Response(body=self._openapi, content_type="application/json")
            if row.does == "sign-in":
                return await self._sign_in(request)
            account = self.access.account(request)
            named = request.query.get(CENTRE)
            why = may_not(row, account, named)
            if why is not None:
                raise self.access.denied(account, row.name, why)
            fields = {**_parameters(row, request), **await _body(row, request)}
            why = not_own(row, account, fields, self.had)
            if why is not None:
                raise self.access.denied(account, row.name, why)
            cores = seen(self.engine.centres, account, named)
            if row.of_each:
                return answer([each for core in cores for each in self._list(row, account, core)])
            if row.does in ("sign-out", "who", "access"):
                return answer(self._of_the_api(row, request, account))
            core = concerned(cores, {name: fields[name] for name in row.parameters} or fields)
            old = await self._old_report(row, core, fields.get("report"))
            if row.command is not None:
                self._command(row, core, account, fields, old)
            if row.does == "history":
                return answer(await self._history(core, fields["call"]))
            if row.does == "find-reports":
                return answer(await self._found(core, account, fields))
            return answer(self._show(row, account, core, fields, old))

        return handle

    def _command(
        self,
        row: Row,
        core: CallCentre,
        account: Account,
        fields: dict[str, Any],
        old: Incident | None,
    ) -> None:
        if old is not None:
            self.engine.dispatcher.feed(TakeBack(old, centre=core.config.id))
        assert row.command is not None  # noqa: S101 - for the type checker; tests hold the table
        command = row.command(by=account.asker, centre=core.config.id, **fields)
        why = self.engine.dispatcher.command(command)
        if why is not None:
            raise reports.not_saved(core, why, fields)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        asked = await _decoded(SignIn, request)
        account, token, expires = await self.access.sign_in(request, asked)
        session = self.access.signed_in(account, self._name(account), None)
        return answer(msgspec.structs.replace(session, token=token, expires=expires))

    def _of_the_api(self, row: Row, request: web.Request, account: Account) -> Any:
        match row.does:
            case "sign-out":
                self.access.sign_out(request)
                return Done()
            case "who":
                session = self.access.session(request)
                return self.access.signed_in(account, self._name(account), session)
            case "access":
                return AccessView(
                    signed_in=len(self.access.sessions),
                    live=len(self.live.clients),
                    counts=dict(self.access.counts),
                )
        raise NotImplementedError(row.name)

    def _list(self, row: Row, account: Account, core: CallCentre) -> Sequence[Any]:
        match row.does:
            case "centres":
                return [views.centre_view(core)]
            case "operators":
                return views.operator_views(core)
            case "calls":
                return views.call_views(core, account, self._monotonic())
            case "reports":
                return reports.open_reports(core, whole=account.sees_numbers)
            case "outbound":
                return [remembered.outbound(core, self._monotonic())]
            case "hand-overs":
                return reports.hand_overs(core)
            case "pranks":
                return remembered.pranks(core)
            case "call-backs":
                tasks: list[Any] = shown(remembered.call_backs(core), whole=account.sees_numbers)
                return tasks
            case "alarms":
                return views.alarm_views(core, account)
        raise NotImplementedError(row.name)

    def _show(
        self,
        row: Row,
        account: Account,
        core: CallCentre,
        fields: dict[str, Any],
        old: Incident | None,
    ) -> Any:
        if row.answer is ReportWithTwins:
            number = fields.get("report") or core.incidents.latest
            return reports.report(core, number, old, whole=account.sees_numbers)
        match row.does:
            case "form":
                return form(core.config)
            case "operator":
                found = views.operator_view(core, fields["agent"])
                if found is None:
                    named = repr(fields["agent"])
                    raise ApiError(404, "unknown-operator", f"no operator has extension {named}")
                return found
            case "surge":
                return shown(remembered.surge(core), whole=account.sees_numbers)
        return Done()

    async def _old_report(self, row: Row, core: CallCentre, number: str | None) -> Incident | None:
        """The report that a request is about, where only the database has it."""
        if row.answer is not ReportWithTwins or number is None or number in core.incidents.open:
            return None
        if centre_of(number) != core.config.id:
            return None
        return await old_report(core, self.engine.database, number)

    async def _found(self, core: CallCentre, account: Account, fields: dict[str, Any]) -> Any:
        # Who looks for whom is on record: not the name or number itself.
        _log.info("web.reports_searched", by=account.name, asked=[*filter(fields.get, fields)])
        wall = core.wall(self._monotonic())
        return await found(core, self.engine.database, FindReportsBody(**fields), wall)

    async def _history(self, core: CallCentre, call: str) -> Any:
        wall = core.wall(self._monotonic())
        return await reports.history(core, self.engine.database, call, wall)

    def _name(self, account: Account) -> str:
        if account.name == ADMIN:
            return "Administrator"
        names = {
            each.extension: each.name
            for core in self.engine.centres
            for each in core.config.operators
        }
        return names.get(account.name, "")

    async def _healthz(self, _request: web.Request) -> web.StreamResponse:
        ended = self.engine.ended
        return answer(Health(ok=not ended, ended=ended), 503 if ended else 200)

    async def _readyz(self, _request: web.Request) -> web.StreamResponse:
        ready = self.readiness()
        return answer(ready, 200 if ready.ok else 503)


def _parameters(row: Row, request: web.Request) -> dict[str, Any]:
    fields = {}
    for name in row.parameters:
        try:
            fields[name] = msgspec.convert(request.match_info[name], PARAMETERS[name])
        except msgspec.ValidationError as error:
            expected = str(error).removeprefix("Expected ")
            raise ApiError(422, "invalid-path", f"wrong {name} in the path", expected) from None
    return fields


async def _body(row: Row, request: web.Request) -> dict[str, Any]:
    if row.body is Nothing:
        return {}
    return msgspec.structs.asdict(await _decoded(row.body, request))


async def _decoded(kind: type[Any], request: web.Request) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise wrong_content(error) from None
    except UnicodeDecodeError:
        raise ApiError(400, "not-json", "bytes that are not UTF-8", "JSON in UTF-8") from None


def _version() -> str:
    try:
        return version("ess-pbx")
    except PackageNotFoundError:
        return "0"
