"""Who asks: the token or the control socket behind a request, signing in and out."""

from __future__ import annotations

import math
import os
import pwd
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable

from aiohttp import web

from ess_pbx.domain.commands import Via
from ess_pbx.log import get_logger
from ess_pbx.settings.model import Web
from ess_pbx.web.accounts import Account, Accounts, Role
from ess_pbx.web.answers import ApiError
from ess_pbx.web.models import SignedIn, SignIn
from ess_pbx.web.sessions import Session, Sessions
from ess_pbx.web.sign_in_delay import SignInDelay

WAITING_MOST = 30
"""Sign-ins that are being verified, or wait for it; more are asked to come again."""
COME_AGAIN = 2.0
LONGEST_ADDRESS = 45
"""Characters of an IPv6 address."""

_log = get_logger(__name__)


class Access:
    """The accounts of an installation, those signed in, and what was denied."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        settings: Web,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.counts: Counter[str] = Counter()
        self._proxies = frozenset(settings.proxies)
        self._wall = wall
        self._monotonic = monotonic
        self._delay = SignInDelay()
        self._verifying = 0

    def account(self, request: web.Request) -> Account:
        """Who sends a request. Raises ApiError (401) when nobody knows."""
        account = self.by_socket(request) or self.by_token(token_of(request))
        if account is None:
            self.counts["not-signed-in"] += 1
            raise ApiError(
                401,
                "not-signed-in",
                "no valid token",
                "Authorization: Bearer with a token of POST /api/v1/session",
                {"WWW-Authenticate": "Bearer"},
            )
        return account

    def by_socket(self, request: web.Request) -> Account | None:
        """Whoever could open the control socket is the service's own user, or root."""
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info("socket")
        if connection is None or connection.family != socket.AF_UNIX:
            return None
        return Account(_peer(connection.fileno()), Role.ADMIN, "", Via.CLI)

    def by_token(self, token: str) -> Account | None:
        """Who is signed in with a token; None when it is over, or its account is gone."""
        session = self.sessions.use(token, self._wall())
        if session is None:
            return None
        account = self.accounts.account(session.account)
        if account is None or session.fingerprint != self.accounts.fingerprint(session.account):
            self.sessions.end(token)
            return None
        return account

    async def sign_in(self, request: web.Request, asked: SignIn) -> tuple[Account, str, float]:
        """The account, a token for it and when it expires. Raises ApiError (401, 429)."""
        address = self.address(request)
        # Who types a PIN where the extension belongs must not find it in the log.
        known = asked.account if self.accounts.account(asked.account) else "unknown"
        if self._verifying >= WAITING_MOST:
            raise self._come_again(COME_AGAIN)
        wait = self._delay.attempt(asked.account, address, self._monotonic())
        if wait > 0:
            _log.warning("web.sign_in_delayed", account=known, address=address)
            raise self._come_again(wait)
        self._verifying += 1
        try:
            account = await self.accounts.verified(asked.account, asked.secret)
        finally:
            self._verifying -= 1
        if account is None:
            self.counts["sign-in-wrong"] += 1
            _log.warning("web.sign_in_wrong", account=known, address=address)
            raise ApiError(
                401, "wrong-sign-in", "account or PIN is wrong", "an extension and its PIN"
            )
        self._delay.succeeded(asked.account, address)
        self.counts["sign-in"] += 1
        _log.info("web.signed_in", account=account.name, role=account.role, address=address)
        now = self._wall()
        token = self.sessions.begin(account.name, self.accounts.fingerprint(account.name), now)
        return account, token, now + self.sessions.longest

    def session(self, request: web.Request) -> Session | None:
        """The sign-in behind a request; None for the control socket."""
        return self.sessions.use(token_of(request), self._wall())

    def sign_out(self, request: web.Request) -> None:
        """End the sign-in behind a request."""
        self.sessions.end(token_of(request))

    def denied(self, account: Account, what: str, why: str) -> ApiError:
        """Somebody asked for what they may not: it is logged, counted and refused."""
        self.counts["denied"] += 1
        fields = {"by": account.name, "role": account.role, "asked": what, "reason": why}
        _log.warning("web.denied", **fields)
        message, _, expected = why.partition("; expected ")
        return ApiError(403, "denied", message, expected)

    def address(self, request: web.Request) -> str:
        """Where a request comes from, as far as proxies of the settings are to be believed."""
        address = request.remote or "?"
        chain = request.headers.get("X-Forwarded-For", "").split(",")
        while address in self._proxies and chain:
            before = chain.pop().strip()
            if not before or len(before) > LONGEST_ADDRESS:
                break
            address = before
        return address

    def signed_in(self, account: Account, name: str, session: Session | None) -> SignedIn:
        """Who is signed in, and until when."""
        expires = None if session is None else self.sessions.expires(session)
        return SignedIn(
            account=account.name,
            name=name,
            role=account.role,
            centre=account.centre,
            expires=expires,
        )

    def _come_again(self, wait: float) -> ApiError:
        self.counts["sign-in-delayed"] += 1
        seconds = max(1, math.ceil(wait))
        return ApiError(
            429,
            "sign-in-delayed",
            "too many wrong sign-ins, or too many at once",
            f"another try in {seconds} s",
            {"Retry-After": str(seconds)},
        )


def token_of(request: web.Request) -> str:
    """The bearer token of a request (RFC 6750 §2.1); empty when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _peer(descriptor: int) -> str:
    """The system's user at the other end of a UNIX socket (unix(7), SO_PEERCRED)."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack(
            "3i", copy.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
