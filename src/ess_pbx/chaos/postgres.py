"""A real PostgreSQL of one's own: made in a folder, started on loopback, stopped and gone."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import psycopg

from ess_pbx.asterisk.free_ports import free_port
from ess_pbx.runtime import Runtime, unprivileged

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_USER = "ess"
# A run that is killed must not leave a server behind; SIGQUIT is its immediate shutdown.
_DIES_WITH_ITS_PARENT = ("setpriv", "--pdeathsig=QUIT", "--") if shutil.which("setpriv") else ()


class PostgresServer:
    """One server of its own: ``start(folder)`` gives the URL, ``stop()`` ends it; both idempotent.

    Data is not synced to disk: it lives as long as the run. ``create_database`` gives an empty
    database in milliseconds. Started again, it has the port that it had.
    """

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = runtime or Runtime.find()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path()
        self.port = 0
        self.folder = Path()
        """Where its cluster is, once started."""

    def start(self, folder: Path) -> str:
        """Make a cluster in ``folder`` and serve it; ``postgresql+psycopg://…`` of its database.

        Raises RuntimeError with the server's own words when it does not answer within 30 s, and
        RuntimeMissingError when there is no PostgreSQL.
        """
        if self._process is not None:
            return self.url("postgres")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # As root the server runs as nobody where user namespaces are forbidden.
        folder.chmod(0o777)
        data = folder / "data"
        self._log = folder / "postgres.log"
        if not (data / "PG_VERSION").exists():
            self._initdb(folder, data)
        self.port = self.port or free_port(socket.SOCK_STREAM)
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "60",
            "shared_buffers": "16MB",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own
                unprivileged(
                    [
                        *_DIES_WITH_ITS_PARENT,
                        *(*self._runtime.command("postgres"), "-D", str(data), *settings),
                    ]
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                # Ctrl-C at the tests must not reach it before they have stopped it in order.
                start_new_session=True,
            )
        self._wait_until_it_answers(self._process)
        return self.url("postgres")

    def url(self, database: str) -> str:
        """SQLAlchemy's URL (psycopg 3, async and sync) of one database of this server."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database and give its URL; ``name`` is a plain lower-case word."""
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.url(name)

    def stop(self) -> None:
        """Stop the server, its clients cut off; nothing of it runs afterwards."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
            process.send_signal(sign)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _initdb(self, folder: Path, data: Path) -> None:
        # initdb runs "postgres" found beside its own argv[0]; the real one cannot be run without
        # the loader, so both names stand in a folder where "postgres" is a script that uses it.
        programs = folder / "bin"
        programs.mkdir(exist_ok=True)
        for name in ("postgres", "initdb"):
            script = programs / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(self._runtime.command(name))} "$@"\n')
            script.chmod(0o755)
        initdb = self._runtime.command("initdb")
        if len(initdb) > 1:
            initdb[-1:] = ["--argv0", str(programs / "initdb"), initdb[-1]]
        share = self._share_folder()
        done = subprocess.run(  # noqa: S603 - our own
            unprivileged(
                [
                    *(*initdb, "-D", str(data), "-L", str(share), "-U", _USER, "-A", "trust"),
                    *("-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"),
                ]
            ),
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=_START_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb in {data} ended with {done.returncode}: {done.stderr}")

    def _share_folder(self) -> Path:
        """``usr/share/postgresql/18`` that belongs to ``usr/lib/postgresql/18/bin/initdb``."""
        versioned = self._runtime.program("initdb").resolve().parents[1]
        return versioned.parents[2] / "share/postgresql" / versioned.name

    def _environment(self) -> dict[str, str]:
        # GMT is built in, so that a machine without tzdata will do; PG* of the user must not leak.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, "TZ": "GMT", "LC_ALL": "C"}

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self._connect() as connection:
                    connection.execute("select 1")
                return
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    words = self._log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(
                        f"PostgreSQL did not answer on port {self.port} ({error}); its log "
                        f"{self._log} says:\n{words}"
                    ) from error
                time.sleep(0.02)
