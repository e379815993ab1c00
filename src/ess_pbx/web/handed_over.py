"""Reports that neighbouring centres hand over to this installation, over HTTP.

``PUT /api/v1/handed-over/{centre}/{origin}/{ticket}``: the path names the centre that it is for,
and the report by where it comes from. It takes nothing but what the neighbour of that name has
signed with the secret that the centre's settings name; without such a neighbour it takes nothing at
all. Nothing of a request's content is read before its signature was found right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.handed_over import ReceiveReport, neighbour
from ess_pbx.domain.handed_report import HandedReport
from ess_pbx.engine.service import Engine
from ess_pbx.errors import SettingsError
from ess_pbx.log import get_logger
from ess_pbx.neighbours.client import PREFIX, Acknowledged
from ess_pbx.neighbours.secret_file import read_secret
from ess_pbx.neighbours.signatures import (
    Nonces,
    Signed,
    digest,
    is_right,
    read_signed,
    signed_answer,
)
from ess_pbx.web.access import Access
from ess_pbx.web.answers import ApiError, answer, read_at_most, refused, wrong_content

PATH = PREFIX + "/{centre}/{origin}/{ticket}"
LONGEST = 1024 * 1024
"""Bytes: the longest narrative in the longest script, a thousand calls and their recordings."""

_log = get_logger(__name__)


class HandedOver:
    """Takes neighbours' reports for the centres of an engine."""

    def __init__(
        self, engine: Engine, access: Access, wall: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._access = access
        self._wall = wall
        self._nonces = Nonces()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A neighbour tells of a report; what we answer is signed too."""
        core, signed, secret = await self._known(request)
        try:
            done = answer(await self._taken(core, signed, request))
        except ApiError as error:
            done = answer(error.error, error.status, error.headers)
        content = done.body if isinstance(done.body, bytes) else b""
        now = int(self._wall())
        done.headers.update(signed_answer(secret, signed, done.status, content, now))
        return done

    async def _known(self, request: web.Request) -> tuple[CallCentre, Signed, bytes]:
        """The centre it is for, and who signed it. Raises ApiError (401), always the same."""
        signed = read_signed(request.headers)
        core = next(
            (e for e in self._engine.centres if e.config.id == request.match_info["centre"]), None
        )
        if signed is None or core is None or signed.key != request.match_info["origin"]:
            raise self._stranger(request, "not signed in the one form that is taken")
        secrets = {
            agency.neighbour.secret
            for agency in core.config.agencies
            if agency.neighbour is not None
            and agency.neighbour.centre == signed.key
            and agency.neighbour.secret
        }
        for path in sorted(secrets):
            try:
                secret = await asyncio.to_thread(read_secret, Path(path))
            except SettingsError as error:
                _log.error("neighbour.no_secret", neighbour=signed.key, error=str(error))
                continue
            if is_right(secret, signed, request.method, request.rel_url.raw_path):
                if not self._nonces.is_fresh(signed, self._wall()):
                    raise self._stranger(request, "a copy, or clocks that are far apart")
                return core, signed, secret
        raise self._stranger(request, "no neighbour of this centre, or another secret")

    def _stranger(self, request: web.Request, why: str) -> ApiError:
        self._access.counts["handed-over-refused"] += 1
        _log.warning("neighbour.refused", address=self._access.address(request), reason=why)
        return ApiError(
            401,
            "not-signed",
            "no neighbour of this centre has signed this",
            "a signature (RFC 9421) with the secret of a neighbour in its settings, made now",
        )

    async def _taken(self, core: CallCentre, signed: Signed, request: web.Request) -> Acknowledged:
        content = await read_at_most(request, LONGEST)
        if digest(content) != signed.digest:
            raise ApiError(400, "wrong-digest", "the content is not what was signed", "all of it")
        try:
            report = msgspec.json.decode(content, type=HandedReport)
        except msgspec.DecodeError as error:
            raise wrong_content(error) from None
        except UnicodeDecodeError:
            raise ApiError(400, "not-json", "bytes that are not UTF-8", "JSON in UTF-8") from None
        if (report.centre, report.ticket) != (signed.key, request.match_info["ticket"]):
            raise ApiError(422, "invalid-content", "not the report of the path", "the same one")
        command = ReceiveReport(neighbour(signed.key), report, centre=core.config.id)
        why = self._engine.dispatcher.command(command)
        if why is not None:
            raise refused(why)
        held = core.handed_over.known(report.key)
        if held is None:
            raise ApiError(500, "failed", "a defect of ess-pbx; its log says which")
        self._access.counts["handed-over"] += 1
        _log.info("neighbour.report", origin=report.key, report=held.report, version=held.version)
        return Acknowledged(report=held.report, version=held.version)
