"""Tells a neighbouring installation of a report: one signed PUT, and what came of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from ess_pbx.domain.config import Neighbour
from ess_pbx.domain.handed_report import HandedReport, Ticket, Version
from ess_pbx.errors import EssPbxError
from ess_pbx.neighbours.secret_file import read_secret
from ess_pbx.neighbours.signatures import answer_is_right, signed_request

PREFIX = "/api/v1/handed-over"
"""Then the centre it is for, the centre it comes from, and the number of the report there."""
WITHIN = 10.0
"""Seconds for the whole of it."""
LONGEST_ANSWER = 64 * 1024
CONFLICT = 409
OK = 200


class Acknowledged(Struct, frozen=True, kw_only=True):
    """The neighbour has the report."""

    report: Ticket
    """Their number for it."""
    version: Version
    """That they have; above what was told when they had a newer one already."""


class NotDeliveredError(EssPbxError):
    """A neighbour was not told of a report; it is to be tried again."""

    code = "not-delivered"
    http_status = 502

    def __init__(self, reason: str, *, answered: bool = True, conflict: bool = False) -> None:
        super().__init__(reason)
        self.answered = answered
        """Whether there was an answer; else no other report would come through either."""
        self.conflict = conflict
        """They have the same version with other content."""


def path_of(to: str, report: HandedReport) -> str:
    """The path of a report at the installation of the centre ``to``."""
    return f"{PREFIX}/{to}/{report.centre}/{report.ticket}"


async def deliver(
    session: aiohttp.ClientSession, neighbour: Neighbour, report: HandedReport
) -> Acknowledged:
    """Tell a neighbour of a report. Raises NotDeliveredError, SettingsError (the secret)."""
    secret = await asyncio.to_thread(read_secret, Path(neighbour.secret))
    path, content = path_of(neighbour.centre, report), msgspec.json.encode(report)
    asked = signed_request(
        secret,
        report.centre,
        "PUT",
        path,
        content,
        created=int(time.time()),
        nonce=secrets.token_urlsafe(24),
    )
    url = URL(neighbour.url.rstrip("/") + path, encoded=True)
    headers = {**asked, "Content-Type": "application/json"}
    try:
        async with (
            asyncio.timeout(WITHIN),
            session.put(url, data=content, headers=headers, allow_redirects=False) as answer,
        ):
            status, given = answer.status, await answer.content.read(LONGEST_ANSWER)
            while len(given) < LONGEST_ANSWER and (more := await answer.content.read(4096)):
                given += more
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise NotDeliveredError(f"{neighbour.url}: {reason}", answered=False) from error
    if not answer_is_right(secret, answer.headers, status, given, asked):
        raise NotDeliveredError(
            f"{neighbour.url}: answered {status} without a right signature; expected "
            f"the ess-pbx of {neighbour.centre!r}, with the same secret and a right clock"
        )
    if status != OK:
        reason = f"{neighbour.url}: answered {status}: {_said(given)}"
        raise NotDeliveredError(reason, conflict=status == CONFLICT)
    try:
        return msgspec.json.decode(given, type=Acknowledged)
    except msgspec.DecodeError as error:
        raise NotDeliveredError(f"{neighbour.url}: {error}") from error


def _said(content: bytes) -> str:
    """The code and message of an error of the API."""
    try:
        error = msgspec.json.decode(content, type=dict[str, str])
    except msgspec.DecodeError:
        return "no reason"
    return f"{error.get('code', '')} {error.get('message', '')} {error.get('expected', '')}"[:300]
