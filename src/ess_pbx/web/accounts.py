"""Who may sign in, with what, and what they are (docs/decisions/0009)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ess_pbx.domain.commands import Asker, Via
from ess_pbx.settings.credentials import Credentials
from ess_pbx.settings.model import Settings

ADMIN = "admin"
"""The one account that is no operator's."""
THREADS = 2
"""Verifications at a time: each takes 64 MiB and some 50 ms of a core (RFC 9106 §4)."""


class Role(StrEnum):
    """What an account may do; ``ess_pbx.web.table`` says what that is."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who is signed in, or who opened the control socket."""

    name: str
    """An extension, ``admin``, or the system's user behind the control socket."""
    role: Role
    centre: str
    via: Via = Via.API

    @property
    def asker(self) -> Asker:
        """As the audit log knows them."""
        return Asker(self.name, self.via)

    @property
    def sees_numbers(self) -> bool:
        """Whether callers' numbers are shown in full, also of calls that are not their own."""
        return self.role is not Role.OPERATOR


def role_of(settings: Settings, account: str) -> Role | None:
    """The role of an account; None when there is no such account."""
    if account == ADMIN:
        return Role.ADMIN
    known = {operator.extension for operator in settings.centre.operators}
    return Role.OPERATOR if account in known else None


class Accounts:
    """The accounts of a centre. ``role_of`` is asked anew each time: roles are settings."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        role_of: Callable[[Settings, str], Role | None] = role_of,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._settings = settings
        self._role_of = role_of
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._hashes = dict(credentials.pins)
        if credentials.admin_password is not None:
            self._hashes[ADMIN] = self._hasher.hash(credentials.admin_password)
        self._admin_password = credentials.admin_password or ""
        # To find out that there is no such account takes as long as to find a PIN wrong.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(32))

    def account(self, name: str) -> Account | None:
        """The account of this name, signed in or not."""
        role = self._role_of(self._settings, name)
        return None if role is None else Account(name, role, self._settings.centre.id)

    def fingerprint(self, name: str) -> str:
        """Changes with what the account signs in with: a sign-in with an old PIN is over."""
        what = self._admin_password if name == ADMIN else self._hashes.get(name, "")
        return hashlib.sha256(f"{name}\0{what}".encode()).hexdigest()

    async def verified(self, name: str, secret: str) -> Account | None:
        """The account, if the PIN or password is right. The loop does not wait for argon2."""
        account = self.account(name)
        known = self._hashes.get(name)
        loop = asyncio.get_running_loop()
        hashed = self._nobodys if known is None else known
        right = await loop.run_in_executor(self._threads, self._matches, hashed, secret)
        return account if right and known is not None else None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, hashed: str, secret: str) -> bool:
        try:
            return self._hasher.verify(hashed, secret)
        except (VerificationError, InvalidHashError):
            return False
