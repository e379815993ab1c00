"""Who may sign in, with what, and what they are (docs/decisions/0014)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from ess_pbx.domain.commands import Asker, Via
from ess_pbx.errors import SettingsError
from ess_pbx.log import get_logger
from ess_pbx.settings.credentials import read_credentials
from ess_pbx.settings.model import Settings
from ess_pbx.settings.pins import hashed, is_of

ADMIN = "admin"
"""The one account that is no operator's."""
THREADS = 2
"""Verifications at a time: each takes 19 MiB and some 20 ms of a core (``settings.pins``)."""

_log = get_logger(__name__)


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
    """The one that they belong to; empty is all centres of the installation."""
    via: Via = Via.API

    @property
    def asker(self) -> Asker:
        """As the audit log knows them."""
        return Asker(self.name, self.via)

    @property
    def sees_numbers(self) -> bool:
        """Whether callers' numbers are shown in full, also of calls that are not their own."""
        return self.role is not Role.OPERATOR


def accounts_of(settings: Settings) -> dict[str, Account]:
    """All accounts by name: no two operators of an installation have the same extension."""
    known = {ADMIN: Account(ADMIN, Role.ADMIN, "")}
    for centre in settings.centres:
        for operator in centre.operators:
            role = Role.SUPERVISOR if operator.supervisor else Role.OPERATOR
            known[operator.extension] = Account(operator.extension, role, centre.id)
    return known


class Accounts:
    """The accounts of an installation, and what they sign in with.

    Made and asked for PINs outside the loop: files are read, and argon2 takes its time. PINs are
    those in the state folder at that moment, so that a new one counts at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._accounts = accounts_of(settings)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        # To find out that there is no such account takes as long as to find a PIN wrong.
        self._nobodys = hashed(secrets.token_urlsafe(32))
        self._admin_hash: tuple[str, str] | None = None
        self._secrets: dict[str, str] = {}
        self.read()

    def read(self) -> None:
        """Take PINs and password over from the state folder; keep the last when it has none."""
        try:
            stored = read_credentials(self._settings.folders.state)
        except SettingsError as error:
            _log.error("accounts.not_read", reason=str(error))
            return
        if stored is None:
            return
        known = dict(stored.pins)
        if stored.admin_password is not None:
            if self._admin_hash is None or self._admin_hash[0] != stored.admin_password:
                self._admin_hash = stored.admin_password, hashed(stored.admin_password)
            known[ADMIN] = self._admin_hash[1]
        self._secrets = known

    async def refresh(self) -> None:
        """``read``, without the loop waiting for it."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self.read)

    def account(self, name: str) -> Account | None:
        """The account of this name, signed in or not."""
        return self._accounts.get(name)

    def fingerprint(self, name: str) -> str:
        """Changes with what the account signs in with: a sign-in with an old PIN is over."""
        secret = self._secrets.get(name, "")
        if name == ADMIN and self._admin_hash is not None:
            secret = self._admin_hash[0]  # its hash is another one after each start
        return hashlib.sha256(f"{name}\0{secret}".encode()).hexdigest()

    async def verified(self, name: str, secret: str) -> Account | None:
        """The account, if the PIN or password is right. The loop does not wait for argon2."""
        account = self.account(name)
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._threads, self._is_right, name, secret)
        return account if right else None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_right(self, name: str, secret: str) -> bool:
        self.read()
        known = self._secrets.get(name)
        return is_of(known or self._nobodys, secret) and known is not None
