"""The two ends of a measured call, in one process of their own: telco and operator's phone.

``python -m ess_pbx.bench.sip_parties`` reads a ``Setup`` (JSON, one line) from standard input,
registers the phone and writes ``{"ready": true}``; then for each line that names a trunk it places
one call there and writes ``{"ns": ...}``: nanoseconds from sending the INVITE to receiving the
INVITE at the phone. ``{"error": ...}`` says what did not happen, and it ends.

Plain sockets, no event loop, no garbage collection: both clocks are read beside the system call,
and nothing that the engine does in its own process can delay them.
"""

from __future__ import annotations

import gc
import itertools
import os
import select
import socket
import sys
import time
from collections.abc import Callable

import msgspec

from ess_pbx.bench import sip_message as sip
from ess_pbx.bench.sip_message import Address, Message

DEADLINE_SECONDS = 5.0
_LARGEST_DATAGRAM = 65535


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls from where: ``trunks`` maps a name to the port that it sends from."""

    server: Address
    trunks: dict[str, int]
    number: str
    caller: str
    extension: str
    password: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of answer."""

    ready: bool = False
    ns: int = 0
    error: str = ""


class Party:
    """A UDP socket with a SIP address."""

    def __init__(self, server: Address, port: int = 0) -> None:
        self.server = server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((server[0], port))
        self.socket.setblocking(False)
        self.local: Address = self.socket.getsockname()
        self.tag = f"{self.local[1]:x}"
        self._ids = itertools.count(1)

    def send(self, datagram: bytes) -> None:
        """Send to the server."""
        self.socket.sendto(datagram, self.server)

    def new_id(self) -> str:
        """An id that this party did not use before."""
        return f"{self.tag}.{time.monotonic_ns():x}.{next(self._ids)}"

    def close(self) -> None:
        """Give the port back."""
        self.socket.close()

    def received(self, message: Message, at: int) -> None:
        """Take a message that came ``at`` (``perf_counter_ns``)."""
        raise NotImplementedError


class Caller(Party):
    """A telco's trunk: one call at a time, placed and taken back."""

    def __init__(self, setup: Setup, port: int) -> None:
        super().__init__(setup.server, port)
        self._uri = f"sip:{setup.number}@{setup.server[0]}:{setup.server[1]}"
        self._from = f"<sip:{setup.caller}@{setup.server[0]}>;tag={self.tag}"
        # Nobody listens to the sound; the port only has to be there.
        self._media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._media.bind((setup.server[0], 0))
        self._sdp = sip.offer(self.local[0], self._media.getsockname()[1])
        self.over = True

    def close(self) -> None:
        """Give the ports back."""
        self._media.close()
        super().close()

    def invite(self) -> bytes:
        """The INVITE of the next call, made before the clock starts."""
        self._call = self.new_id()
        self._branch = self.new_id()
        self._to, self._target = f"<{self._uri}>", self._uri
        self._proceeding = self._answered = self._leaving = self.over = False
        return self._request("INVITE", 1, self._branch, body=self._sdp)

    def hang_up(self) -> None:
        """Take the call back: BYE when it was answered, else CANCEL."""
        self._leaving = True
        if self._answered:
            self.send(self._request("BYE", 2, self.new_id()))
        elif self._proceeding:
            self.send(self._request("CANCEL", 1, self._branch))

    def received(self, message: Message, at: int) -> None:
        """Follow the call; a request from the server ends it or is only acknowledged."""
        del at
        if not message.status:
            if message.method != "ACK":
                self.send(sip.reply(message, "200 OK", tag=self.tag))
            self.over = self.over or message.method == "BYE"
        elif message.first("call-id") == self._call:
            self._response(message)

    def _response(self, message: Message) -> None:
        if message.cseq_method == "BYE":
            self.over = True
        elif message.cseq_method == "INVITE" and message.status < 200:
            waiting_to_cancel = self._leaving and not self._proceeding
            self._proceeding = True
            if waiting_to_cancel:
                self.hang_up()  # a CANCEL may not leave before this (RFC 3261 §9.1)
        elif message.cseq_method == "INVITE":
            self._to = message.first("to")
            if message.status >= 300:
                self.send(self._request("ACK", 1, self._branch))
                self.over = True
                return
            again = self._answered
            self._answered, self._target = True, message.contact_uri
            self.send(self._request("ACK", 1, self.new_id()))
            if self._leaving and not again:
                self.hang_up()  # the 200 crossed our CANCEL

    def _request(self, method: str, number: int, branch: str, body: str = "") -> bytes:
        headers = {
            "From": self._from,
            "To": self._to,
            "Call-ID": self._call,
            "CSeq": f"{number} {method}",
            "Contact": f"<sip:{self.local[0]}:{self.local[1]}>",
        }
        return sip.request(method, self._target, self.local, headers, branch=branch, body=body)


class Phone(Party):
    """An operator's phone: it registers, rings, and lets a call be taken back."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.server)
        self._user, self._password = setup.extension, setup.password
        self._contact = f"sip:{self._user}@{self.local[0]}:{self.local[1]}"
        self._registrar = f"sip:{setup.server[0]}:{setup.server[1]}"
        self._register_call = self.new_id()
        self._invite: Message | None = None
        self.registered = False
        self.refused = 0
        self.rung_at = 0
        """``perf_counter_ns`` of the INVITE; 0 until it came."""

    @property
    def idle(self) -> bool:
        """Whether the last call is wholly over."""
        return self._invite is None

    def register(self, number: int = 1, credentials: str = "") -> None:
        """Send REGISTER."""
        address = f"<sip:{self._user}@{self.server[0]}>"
        headers = {
            "From": f"{address};tag={self.tag}",
            "To": address,
            "Call-ID": self._register_call,
            "CSeq": f"{number} REGISTER",
            "Contact": f"<{self._contact}>",
            "Expires": "3600",
        }
        if credentials:
            headers["Authorization"] = credentials
        self.send(
            sip.request("REGISTER", self._registrar, self.local, headers, branch=self.new_id())
        )

    def received(self, message: Message, at: int) -> None:
        """Ring, or answer what else the server asks."""
        match message.method:
            case "":
                self._registration(message)
            case "INVITE" if self._invite is None:
                self.rung_at = at
                self._invite = message
                self.send(sip.reply(message, "180 Ringing", tag=self.tag, contact=self._contact))
            case "CANCEL":
                self.send(sip.reply(message, "200 OK", tag=self.tag))
                if self._invite is not None:
                    self.send(sip.reply(self._invite, "487 Request Terminated", tag=self.tag))
            case "ACK":
                self._invite = None
            case "INVITE":
                pass  # sent once more, or a second call that the bench never makes
            case _:
                self.send(sip.reply(message, "200 OK", tag=self.tag))

    def _registration(self, message: Message) -> None:
        if message.status == 200:
            self.registered = True
        elif message.status == 401 and message.first("cseq").startswith("1 "):
            challenge = message.first("www-authenticate")
            signed = sip.authorization(
                challenge, "REGISTER", self._registrar, self._user, self._password
            )
            self.register(2, signed)
        else:
            self.refused = message.status


class Parties:
    """The sockets of all, served one datagram at a time."""

    def __init__(self, setup: Setup) -> None:
        self.phone = Phone(setup)
        self.callers = {name: Caller(setup, port) for name, port in setup.trunks.items()}
        self._poll = select.poll()
        self._by_fd: dict[int, Party] = {}
        for party in (self.phone, *self.callers.values()):
            self._by_fd[party.socket.fileno()] = party
            self._poll.register(party.socket, select.POLLIN)

    def register(self) -> None:
        """Register the phone. Raises TimeoutError, saying what the server answered last."""
        self.phone.register()
        self._serve(
            lambda: self.phone.registered,
            lambda: f"the phone to be registered (last refusal: {self.phone.refused})",
        )

    def ring(self, trunk: str) -> int:
        """Place a call and take it back once the phone rings; nanoseconds until it rang.

        Raises TimeoutError, naming what did not happen.
        """
        caller, phone = self.callers[trunk], self.phone
        phone.rung_at = 0
        datagram = caller.invite()
        started = time.perf_counter_ns()
        caller.send(datagram)
        self._serve(lambda: phone.rung_at, lambda: f"the phone to ring for a call from {trunk}")
        nanoseconds = phone.rung_at - started
        caller.hang_up()
        self._serve(lambda: caller.over and phone.idle, lambda: f"the end of the call from {trunk}")
        return nanoseconds

    def next_line(self, source: int) -> bytes:
        """A line from a file descriptor, SIP being served meanwhile; empty at its end."""
        line = b""
        self._poll.register(source, select.POLLIN)
        try:
            while not line.endswith(b"\n"):
                if source in self._handle(None):
                    piece = os.read(source, 1)
                    if not piece:
                        return b""
                    line += piece
        finally:
            self._poll.unregister(source)
        return line

    def _serve(self, happened: Callable[[], object], what: Callable[[], str]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not happened():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"waited {DEADLINE_SECONDS:.0f} s for {what()}")
            self._handle(left)

    def _handle(self, seconds: float | None) -> set[int]:
        """Serve the sockets that have something; returns the other descriptors that have."""
        others = set()
        for fd, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            party = self._by_fd.get(fd)
            if party is None:
                others.add(fd)
                continue
            datagram = party.socket.recv(_LARGEST_DATAGRAM)
            at = time.perf_counter_ns()
            party.received(sip.parse(datagram), at)
        return others


def main(source: int = 0, target: int = 1) -> int:
    """Serve one benchmark over two file descriptors; the exit code."""

    def say(outcome: Outcome) -> None:
        os.write(target, msgspec.json.encode(outcome) + b"\n")

    first = b""
    while not first.endswith(b"\n") and (piece := os.read(source, 1)):
        first += piece
    try:
        parties = Parties(msgspec.json.decode(first, type=Setup))
        parties.register()
        say(Outcome(ready=True))
        while line := parties.next_line(source):
            say(Outcome(ns=parties.ring(line.decode().strip())))
    except (OSError, ValueError, KeyError, TimeoutError) as error:
        say(Outcome(error=f"{type(error).__name__}: {error}"))
        return 1
    return 0


if __name__ == "__main__":
    gc.disable()  # a benchmark's few messages are no garbage worth a pause
    sys.exit(main())
