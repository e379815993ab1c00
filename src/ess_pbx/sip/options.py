"""An OPTIONS request outside a dialog, to see whether a phone is there (RFC 3261 §11)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

SIP_PORT = 5060
_URI = re.compile(
    r"sip:(?:[^@<>\s]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:;?<>\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<parameters>(?:;[^\s?<>]*)?)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a phone takes datagrams."""

    uri: str
    host: str
    """An IP address, without brackets."""
    port: int


def target_of(contact: str) -> Target | None:
    """Where a contact's phone is; None for one that UDP to an IP address does not reach."""
    found = _URI.fullmatch(contact)
    if found is None:
        return None
    parameters = found["parameters"].lower().split(";")
    transport = next((each for each in parameters if each.startswith("transport=")), "")
    host, port = found["host"].strip("[]"), int(found["port"] or SIP_PORT)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    if transport not in ("", "transport=udp") or not 0 < port < 65536:
        return None
    return Target(contact, host, port)


def request(target: Target, local: tuple[str, int], branch: str) -> bytes:
    """The datagram. ``branch`` is one of a kind; it begins with ``z9hG4bK`` (RFC 3261 §8.1.1.7)."""
    host = f"[{local[0]}]" if ":" in local[0] else local[0]
    lines = (
        f"OPTIONS {target.uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{local[1]};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:ess-pbx@{host}>;tag={branch[-16:]}",
        f"To: <{target.uri}>",
        f"Call-ID: {branch}@{host}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:ess-pbx@{host}:{local[1]}>",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def answers(datagram: bytes, branch: str) -> bool:
    """Whether this is a response to it: even a refusal comes from a phone that is there."""
    return datagram.startswith(b"SIP/2.0 ") and branch.encode() in datagram
