"""As much of SIP (RFC 3261) as a measured call needs: messages read, requests and replies written.

The benchmark's parties speak it themselves, because their clock has to stop at the datagram.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]

_CRLF = "\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response. Header names are in lower case, in the order of the message."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def method(self) -> str:
        """The request's method; empty for a response."""
        return "" if self.status else self.start.partition(" ")[0]

    @property
    def status(self) -> int:
        """The response's status; 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    def all(self, name: str) -> list[str]:
        """The values of every header of that name."""
        return [value for each, value in self.headers if each == name]

    def first(self, name: str) -> str:
        """The value of the first header of that name; empty when there is none."""
        return next((value for each, value in self.headers if each == name), "")

    @property
    def cseq_method(self) -> str:
        """The method that a response answers."""
        return self.first("cseq").partition(" ")[2]

    @property
    def contact_uri(self) -> str:
        """The URI within ``Contact``."""
        found = re.search(r"<([^>]*)>", self.first("contact"))
        return found[1] if found else self.first("contact")


def parse(datagram: bytes) -> Message:
    """Read a message. Raises ValueError when it has no start line or a header without a colon."""
    head, _, body = datagram.decode().partition(_CRLF * 2)
    start, *lines = head.split(_CRLF)
    if " " not in start:
        raise ValueError(f"not SIP: {start!r}; expected a request or status line (RFC 3261 §7)")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a SIP header: {line!r}; expected 'Name: value'")
        headers.append((name.strip().lower(), value.strip()))
    return Message(start, tuple(headers), body)


def request(
    method: str,
    uri: str,
    local: Address,
    headers: dict[str, str],
    *,
    branch: str,
    body: str = "",
) -> bytes:
    """Write a request with its Via; ``branch`` comes without the magic cookie."""
    via = f"SIP/2.0/UDP {local[0]}:{local[1]};rport;branch=z9hG4bK{branch}"
    fields = {"Via": via, "Max-Forwards": "70", **headers}
    return _write(f"{method} {uri} SIP/2.0", list(fields.items()), body)


def reply(to: Message, status: str, *, tag: str = "", contact: str = "") -> bytes:
    """Write a response such as ``180 Ringing``, with a To tag of ours where there is none yet."""
    fields = [("Via", via) for via in to.all("via")]
    party = to.first("to")
    if tag and ";tag=" not in party:
        party += f";tag={tag}"
    fields += [("From", to.first("from")), ("To", party)]
    fields += [("Call-ID", to.first("call-id")), ("CSeq", to.first("cseq"))]
    if contact:
        fields.append(("Contact", f"<{contact}>"))
    return _write(f"SIP/2.0 {status}", fields, "")


def offer(host: str, rtp_port: int) -> str:
    """A session description that offers A-law and telephone-event."""
    lines = (
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {rtp_port} RTP/AVP 8 101",
        "a=rtpmap:101 telephone-event/8000",
    )
    return _CRLF.join(lines) + _CRLF


def authorization(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """Answer a ``WWW-Authenticate`` of the Digest scheme, MD5, with or without qop (RFC 2617)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    secret = _md5(f"{user}:{given['realm']}:{password}")
    what = _md5(f"{method}:{uri}")
    parts = [("username", user), ("realm", given["realm"]), ("nonce", given["nonce"]), ("uri", uri)]
    extra = ""
    if "qop" in given:
        count, own = "00000001", "0a4f113b"
        response = _md5(f"{secret}:{given['nonce']}:{count}:{own}:auth:{what}")
        parts.append(("cnonce", own))
        extra = f", qop=auth, nc={count}"
    else:
        response = _md5(f"{secret}:{given['nonce']}:{what}")
    parts.append(("response", response))
    if "opaque" in given:
        parts.append(("opaque", given["opaque"]))
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in parts) + extra


def _write(start: str, fields: list[tuple[str, str]], body: str) -> bytes:
    if body:
        fields = [*fields, ("Content-Type", "application/sdp")]
    fields = [*fields, ("Content-Length", str(len(body.encode())))]
    lines = [start, *(f"{name}: {value}" for name, value in fields), "", body]
    return _CRLF.join(lines).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
