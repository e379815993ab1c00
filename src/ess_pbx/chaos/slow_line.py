"""A TCP line that passes everything on, later: bytes keep their order and their distances."""

from __future__ import annotations

import asyncio
import contextlib

CHUNK = 65536


class SlowLine:
    """Listens on loopback and passes on to ``target``. ``delay`` (s, each way) may be changed."""

    def __init__(self, target: tuple[str, int], delay: float = 0.0) -> None:
        self.target, self.delay = target, delay
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin to listen; returns the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        """Cut every line off. Idempotent."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            far, far_out = await asyncio.open_connection(*self.target)
        except OSError:
            near_out.close()
            return
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(near, far_out))
                ways.create_task(self._carry(far, near_out))
        finally:
            near_out.close()
            far_out.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(due - loop.time(), 0))
                if not data:
                    if target.can_write_eof():
                        target.write_eof()
                    return
                target.write(data)
                await target.drain()

        with contextlib.suppress(ConnectionError, RuntimeError):
            async with asyncio.TaskGroup() as both:
                both.create_task(deliver())
                while True:
                    data = await source.read(CHUNK)
                    waiting.put_nowait((loop.time() + self.delay, data))
                    if not data:
                        break
