"""The API served: on TCP for people and their programs, on a UNIX socket for the command line.

It is an extra: that a port is taken, or a socket cannot be made, is an alarm and is tried again,
and calls are taken all the while.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from ess_pbx.domain.events import AlarmChanged
from ess_pbx.engine.service import Engine
from ess_pbx.log import get_logger
from ess_pbx.metrics import Metrics
from ess_pbx.settings.model import Settings
from ess_pbx.unix_socket import bound
from ess_pbx.web.access import Access
from ess_pbx.web.accounts import Accounts
from ess_pbx.web.api import Api
from ess_pbx.web.control import control_socket
from ess_pbx.web.scrape import MetricsPage, read_token
from ess_pbx.web.sessions import Sessions

ALARM = "web"
TRY_AGAIN = 5.0
SAVED_EVERY = 10.0
"""Seconds: who is signed in is written down, and PINs that were changed end what is old."""
STOP_WITHIN = 2.0

Serve: TypeAlias = Callable[[], Awaitable[None]]

_log = get_logger(__name__)


class WebServer:
    """The API of an engine that runs, until ``stop``."""

    def __init__(self, settings: Settings, engine: Engine, metrics: Metrics) -> None:
        self.settings = settings
        self._metrics = metrics
        self.trouble: str | None = None
        """Why it is not served in full, for people; None when it is."""
        self._engine = engine
        self._sessions = Sessions(settings.web.idle, settings.web.longest)
        self._accounts: Accounts | None = None
        self._api: Api | None = None
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def api(self) -> Api:
        """The API, once it was started."""
        if self._api is None:
            raise RuntimeError("the API was not started")
        return self._api

    async def start(self) -> None:
        """Serve as soon as may be; never raises for a port or socket that cannot be had."""
        state = self.settings.folders.state
        await asyncio.to_thread(self._sessions.load, state, time.time())
        # It reads files and hashes a password: not on the loop.
        self._accounts = await asyncio.to_thread(Accounts, self.settings)
        access = Access(self._accounts, self._sessions, self.settings.web)
        self._api = Api(self._engine, access, await self._metrics_page())
        self._engine.listeners += [self._api.live, self._api.had]
        self._runner = web.AppRunner(
            self._api.application(), access_log=None, shutdown_timeout=STOP_WITHIN
        )
        await self._runner.setup()
        wanted: list[Serve] = [self._serve_socket]
        if self.settings.web.enabled:
            wanted.append(self._serve_port)
        lacking = await self._serve(wanted)
        self._tasks = [asyncio.create_task(self._save_often(), name="sessions")]
        if lacking:
            self._tasks.append(asyncio.create_task(self._try_again(lacking), name="web"))

    async def stop(self) -> None:
        """End every connection; who is signed in stays so. A second call does nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._api is None or self._runner is None or self._accounts is None:
            return
        for listener in (self._api.live, self._api.had):
            self._engine.listeners.remove(listener)
        await self._api.live.close()
        await self._runner.cleanup()
        control_socket(self.settings).unlink(missing_ok=True)
        self._accounts.close()
        await self._save()
        self._api = None

    async def _metrics_page(self) -> MetricsPage:
        allowed, token = self.settings.metrics, ""
        try:
            token = await asyncio.to_thread(read_token, allowed.token)
        except (OSError, UnicodeDecodeError) as error:
            # It was there when the settings were read; without it this way in stays closed.
            _log.error("metrics.no_token", file=str(allowed.token), error=str(error))
        return MetricsPage(self._metrics, allowed, token)

    async def _serve(self, wanted: list[Serve]) -> list[Serve]:
        """Try each; returns those that must be tried again."""
        lacking, reasons = [], []
        for serve in wanted:
            try:
                await serve()
            except OSError as error:
                lacking.append(serve)
                reasons.append(str(error))
        self.trouble = "; ".join(reasons) or None
        for core in self._engine.centres:
            changed = AlarmChanged(
                ALARM, bool(lacking), self.trouble or "served", centre=core.config.id
            )
            self._engine.dispatcher.feed(changed)
        return lacking

    async def _try_again(self, lacking: list[Serve]) -> None:
        while lacking:
            await asyncio.sleep(TRY_AGAIN)
            lacking = await self._serve(lacking)

    async def _serve_port(self) -> None:
        host, port = self.settings.web.host, self.settings.web.port
        assert self._runner is not None  # noqa: S101 - for the type checker
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise OSError(
                f"[web] port: {host}:{port} cannot be used ({_reason(error)}); stop the program "
                "that has it, or set another port"
            ) from error
        _log.info("web.listening", host=host, port=port)

    async def _serve_socket(self) -> None:
        path = control_socket(self.settings)
        assert self._runner is not None  # noqa: S101 - for the type checker
        listener: socket.socket | None = None
        try:
            # The state folder is locked, and ours.
            listener = bound(path)
            await web.SockSite(self._runner, listener).start()
        except OSError as error:
            if listener is not None:
                listener.close()
            raise OSError(
                f"{path}: the control socket cannot be made ({_reason(error)}); expected a state "
                "folder that ess-pbx may write in"
            ) from error

    async def _save_often(self) -> None:
        while True:
            await asyncio.sleep(SAVED_EVERY)
            await self._save()
            if self._accounts is not None:
                await self._accounts.refresh()

    async def _save(self) -> None:
        if self._sessions.dirty:
            self._sessions.dirty = False
            text = self._sessions.text()
            await asyncio.to_thread(self._sessions.save, self.settings.folders.state, text)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
