"""Phones that the demo, ``./ess up --traffic`` and the tests use against the real Asterisk.

- ``sipp``: callers through a trunk and agencies, as SIPp processes; the media is ours.
- ``rtp``: that media: a party that sends audio and keys, and measures what it hears.
- ``softphone``: operators' registered phones, driving ``pjsua_process`` (GPL, own process).

Nothing that answers a real call imports this package.
"""

from __future__ import annotations

from typing import ClassVar

from ess_pbx.errors import EssPbxError


class PhoneError(EssPbxError):
    """A phone could not do what it was told."""

    code: ClassVar[str] = "phone"


class PhoneTimeoutError(PhoneError):
    """Something that a phone waited for did not come in time; the message says what."""

    code = "phone-timeout"
    http_status = 504


class CallRefusedError(PhoneError):
    """The other side refused the call with a final SIP status of 400 or more."""

    code = "phone-refused"
    http_status = 502

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
