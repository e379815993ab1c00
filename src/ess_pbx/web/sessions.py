"""Who is signed in: opaque tokens, of which only the hash is kept, here and on disk.

They outlive a restart of the engine: thirty operators who must sign in anew while callers wait is
the last thing a disaster needs.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import msgspec

from ess_pbx.evidence.files import write_whole
from ess_pbx.log import get_logger

FILE_NAME = "sessions.json"
TOKEN_BYTES = 32
MOST_OF_ONE = 20
"""Sign-ins of one account at a time; one more ends the one that was used longest ago."""

_log = get_logger(__name__)


class Session(msgspec.Struct):
    """One sign-in. Times are epoch seconds."""

    account: str
    fingerprint: str
    """Of what it was signed in with (``Accounts.fingerprint``)."""
    since: float
    used: float


class Sessions:
    """The sign-ins of a centre. ``idle`` and ``longest`` are seconds."""

    def __init__(self, idle: float, longest: float) -> None:
        self.idle = idle
        self.longest = longest
        self.dirty = False
        """Whether what is on disk is old."""
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, account: str, fingerprint: str, now: float) -> str:
        """Sign an account in; returns the token, which is kept nowhere."""
        self._expire(now)
        own = [(s.used, key) for key, s in self._sessions.items() if s.account == account]
        for _, key in sorted(own)[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._sessions[key]
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._sessions[_hashed(token)] = Session(account, fingerprint, now, now)
        self.dirty = True
        return token

    def use(self, token: str, now: float) -> Session | None:
        """The sign-in that a token stands for, which is now in use; None when there is none."""
        session = self._sessions.get(_hashed(token))
        if session is None:
            return None
        if self._is_over(session, now):
            self.end(token)
            return None
        if now > session.used:
            session.used, self.dirty = now, True
        return session

    def end(self, token: str) -> bool:
        """Sign out; returns whether the token was good."""
        ended = self._sessions.pop(_hashed(token), None) is not None
        self.dirty = self.dirty or ended
        return ended

    def expires(self, session: Session) -> float:
        """When a sign-in is over, however much it is used."""
        return session.since + self.longest

    def text(self) -> bytes:
        """All sign-ins, for the disk."""
        return msgspec.json.encode(self._sessions)

    def save(self, state: Path, text: bytes) -> None:
        """Write them to the state folder. Blocks; a disk that refuses costs only sign-ins."""
        try:
            write_whole(state / FILE_NAME, text)
        except OSError as error:
            _log.warning("sessions.not_written", reason=str(error))

    def load(self, state: Path, now: float) -> None:
        """Take over the sign-ins of the engine before, if its file can be read."""
        try:
            text = (state / FILE_NAME).read_bytes()
            self._sessions = msgspec.json.decode(text, type=dict[str, Session])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("sessions.not_read", reason=str(error))
        self._expire(now)

    def _expire(self, now: float) -> None:
        over = [key for key, session in self._sessions.items() if self._is_over(session, now)]
        for key in over:
            del self._sessions[key]
            self.dirty = True

    def _is_over(self, session: Session, now: float) -> bool:
        return now >= session.used + self.idle or now >= session.since + self.longest


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
