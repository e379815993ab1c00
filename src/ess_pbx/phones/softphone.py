"""Operators' registered phones: the driver of a ``pjsua_process``.

::

    async with SoftPhone(folder) as phone:
        await phone.add_account("1001", password, ("127.0.0.1", 5060), Answer(after=0.5))
        await phone.registered("1001", within=5)
        call = await phone.incoming("1001", within=5)
        await call.heard_tone(440, within=5)
        await call.hang_up()
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from ess_pbx.phones import PhoneError, PhoneTimeoutError, audio
from ess_pbx.phones.softphone_call import SoftCall

MODULE = "ess_pbx.phones.pjsua_process"
MAX_ACCOUNTS = 8
"""pjsua's own limit in one process; it has 4 calls at once, and refuses a fifth with 486."""
_START_SECONDS = 15.0
_REPLY_SECONDS = 5.0
_STOP_SECONDS = 3.0


@dataclass(frozen=True)
class Answer:
    """Ring, then answer after that many seconds."""

    after: float = 0.0


Behaviour = Answer | Literal["ring", "busy", "unavailable", "decline"]
"""``ring`` only rings (until SoftCall.answer); the others refuse with 486, 480, 603."""


class SoftPhone:
    """Up to ``MAX_ACCOUNTS`` registered phones in one process of their own."""

    def __init__(
        self, folder: Path, *, suppresses_silence: bool = False, keys_by_info: bool = False
    ) -> None:
        """``folder`` gets pjsua.log, stderr.log and one WAV a call of what was heard.

        ``suppresses_silence``: nothing is sent while there is nothing to hear (VAD).
        ``keys_by_info``: they offer no telephone-event, and send keys as SIP INFO (RFC 2976).
        """
        self.folder = folder
        self._options = [*(["--vad"] if suppresses_silence else [])]
        self._options += ["--keys-by-info"] if keys_by_info else []
        self.calls: list[SoftCall] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._ready = False
        self._registrations: dict[str, tuple[bool, int]] = {}
        self._taken: set[str] = set()
        self._changed = asyncio.Event()
        self._failure: str | None = None

    @property
    def pid(self) -> int | None:
        """The phone's process, once started."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> SoftPhone:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start the process. Raises PhoneError with its last words when it does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "stderr.log").open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", MODULE, str(self.folder), *self._options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self._reader = asyncio.create_task(self._read(self._process), name="softphone")
        try:
            await self._until(lambda: self._ready, "softphone process was not up", _START_SECONDS)
        except BaseException:
            await self.close()
            raise

    async def add_account(
        self,
        user: str,
        password: str,
        server: tuple[str, int],
        behaviour: Behaviour = "ring",
        sound: Path | None = None,
    ) -> None:
        """Register a user and, in its calls, play ``sound`` without end (silence when None).

        The password goes over stdin, so no list of processes shows it. Raises PhoneError when
        pjsua refuses; whether the server accepts is told by ``registered``.
        """
        await self._ask(
            "account",
            user=user,
            password=password,
            server=f"{server[0]}:{server[1]}",
            behaviour=_behaviour(behaviour),
            sound=str(sound) if sound else None,
        )

    def tone(self, hertz: int, dbov: float = -13.0) -> Path:
        """A WAV file of that tone, to be given as ``sound``."""
        path = self.folder / f"tone-{hertz}-{-dbov:g}.wav"
        self.folder.mkdir(parents=True, exist_ok=True)
        audio.save_wav(path, audio.tone_samples(hertz, dbov))
        return path

    async def behave(self, user: str, behaviour: Behaviour) -> None:
        """What this user does with calls from now on."""
        await self._ask("behave", user=user, behaviour=_behaviour(behaviour))

    async def registered(self, user: str, within: float) -> None:
        """Wait until the server accepted the user.

        Raises PhoneError with the status when it refuses, PhoneTimeoutError.
        """
        await self._until(
            lambda: user in self._registrations, f"softphone {user} was not registered", within
        )
        accepted, status = self._registrations[user]
        if not accepted:
            raise PhoneError(
                f"softphone {user} was refused by its server with {status}; "
                f"see {self.folder / 'pjsua.log'}"
            )

    async def unregister(self, user: str, within: float = 5.0) -> None:
        """Take the user off the server, and wait until it says so."""
        self._registrations.pop(user, None)
        await self._ask("register", user=user, renew=False)
        await self._until(
            lambda: user in self._registrations, f"softphone {user} was not unregistered", within
        )

    async def register(self, user: str, within: float = 5.0) -> None:
        """Put a user who was taken off back on the server, and wait until it says so."""
        self._registrations.pop(user, None)
        await self._ask("register", user=user, renew=True)
        await self.registered(user, within)

    async def incoming(self, user: str, within: float) -> SoftCall:
        """The next call that comes in for this user, but for those it refused on its own.

        Raises PhoneTimeoutError.
        """
        await self._until(
            lambda: self._next_call(user) is not None, f"softphone {user} was not called", within
        )
        call = self._next_call(user)
        assert call is not None  # noqa: S101 - what was waited for
        self._taken.add(call.name)
        return call

    async def dial(self, user: str, uri: str) -> SoftCall:
        """Call a SIP URI. Raises PhoneError when pjsua refuses."""
        name = await self._ask("dial", user=user, uri=uri)
        self._taken.add(name)
        return self._call(name, user, "")

    async def close(self) -> None:
        """Hang up, unregister, end the process. Idempotent."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def _ask(self, do: str, **fields: Any) -> Any:
        if self._process is None or self._process.stdin is None or self._failure is not None:
            raise PhoneError(f"softphone cannot {do}: {self._failure or 'it was not started'}")
        number = next(self._ids)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            self._process.stdin.write(
                json.dumps({"id": number, "do": do, **fields}).encode() + b"\n"
            )
            return await asyncio.wait_for(reply, _REPLY_SECONDS)
        except TimeoutError:
            raise PhoneTimeoutError(
                f"softphone process did not {do} within {_REPLY_SECONDS} s; see {self.folder}"
            ) from None
        finally:
            self._replies.pop(number, None)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - started with a pipe
        while line := await process.stdout.readline():
            message = json.loads(line)
            if "reply" in message:
                self._replied(message)
            else:
                self._happened(message)
            self._changed.set()
        code = await process.wait()
        words = (self.folder / "stderr.log").read_text(errors="replace").strip().splitlines()[-3:]
        self._failure = f"process ended with {code}: {' / '.join(words)} (see {self.folder})"
        for call in self.calls:
            call.failed(self._failure)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(PhoneError(self._failure))
        self._changed.set()

    def _replied(self, message: dict[str, Any]) -> None:
        reply = self._replies.get(message["reply"])
        if reply is None or reply.done():
            return
        if "error" in message:
            reply.set_exception(PhoneError(f"softphone: {message['error']}"))
        else:
            reply.set_result(message.get("result"))

    def _happened(self, event: dict[str, Any]) -> None:
        name = event["event"]
        if name == "ready":
            self._ready = True
        elif name in ("registered", "unregistered"):
            self._registrations[event["account"]] = (name == "registered", event["status"])
        elif "call" in event:
            user = event.get("account") or event["call"].rsplit("-", 1)[0]
            self._call(event["call"], user, event.get("caller", "")).happened(event)

    def _call(self, name: str, user: str, caller_id: str) -> SoftCall:
        for call in self.calls:
            if call.name == name:
                return call
        call = SoftCall(name, user, caller_id, self._ask)
        self.calls.append(call)
        return call

    def _next_call(self, user: str) -> SoftCall | None:
        new = (c for c in self.calls if c.account == user and c.name not in self._taken)
        return next((c for c in new if "incoming" in c.at and c.ended_by != "near"), None)

    async def _until(self, is_true: Callable[[], bool], complaint: str, within: float) -> None:
        deadline = time.monotonic() + within
        while not is_true():
            if self._failure is not None:
                raise PhoneError(f"{complaint}: {self._failure}")
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(deadline - time.monotonic(), 0))
            except TimeoutError:
                raise PhoneTimeoutError(
                    f"{complaint} within {within} s; see {self.folder / 'pjsua.log'}"
                ) from None


def _behaviour(behaviour: Behaviour) -> dict[str, Any]:
    if isinstance(behaviour, Answer):
        return {"kind": "answer", "after": behaviour.after}
    return {"kind": behaviour}
