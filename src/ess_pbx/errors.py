"""The one tree of errors.

::

    EssPbxError
    ├── SettingsError        a settings, menu or prompt file is wrong (exit code 2)
    ├── RuntimeMissingError  a program ess-pbx drives is absent or too old
    ├── PortTakenError       a port that was asked for is in use
    ├── InUseError           another program runs in the same state folder
    ├── AriError             a request to Asterisk failed
    │   ├── AriTimeoutError  no answer in time
    │   └── AriRefusedError  Asterisk answered with an error status
    ├── NotDeliveredError    a neighbouring centre was not told of a report (neighbours.client)
    ├── PromptError          a prompt cannot be found or spoken
    └── ControlError         the running service cannot be asked, or will not do it

Each carries a stable ``code`` (for logs, the API and documentation), an HTTP status for the API,
and a message that says what was wrong, where, what was expected and what to do.
"""

from __future__ import annotations

from typing import ClassVar


class EssPbxError(Exception):
    """Base of every error that ess-pbx raises on purpose."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500


class SettingsError(EssPbxError):
    """A settings, menu or prompt file is wrong; nothing was started."""

    code = "settings"
    http_status = 422


class RuntimeMissingError(EssPbxError):
    """A program that ess-pbx drives is absent or too old."""

    code = "runtime-missing"
    http_status = 503


class PortTakenError(EssPbxError):
    """A port that was asked for is in use by another program."""

    code = "port-taken"
    http_status = 503


class InUseError(EssPbxError):
    """Another program runs in the same state folder."""

    code = "in-use"
    http_status = 409


class AriError(EssPbxError):
    """A request to Asterisk failed."""

    code = "ari"
    http_status = 502


class AriTimeoutError(AriError):
    """Asterisk did not answer a request in time; whether it was carried out is not known."""

    code = "ari-timeout"
    http_status = 504


class AriRefusedError(AriError):
    """Asterisk answered a request with an error status."""

    code = "ari-refused"

    def __init__(self, method: str, uri: str, status: int, reason: str) -> None:
        super().__init__(f"{method} {uri}: Asterisk answered {status} {reason}".rstrip())
        self.method = method
        self.uri = uri
        self.status = status
        self.reason = reason


class PromptError(EssPbxError):
    """A prompt cannot be found or spoken."""

    code = "prompt"


class ControlError(EssPbxError):
    """The running service cannot be reached through its control socket, or refused."""

    code = "control"
    http_status = 503
