"""Logs: one JSON object a line, an event's name and fields, with the id of the call it is about.

Callers' numbers and locations are masked unless the level is debug; secrets are never written, at
any level. Other libraries' standard logging goes the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from ess_pbx.sip.numbers import mask_number

Level = Literal["debug", "info", "warning", "error"]

HIDDEN = "***"

_NUMBER_FIELD = re.compile(
    r"(^|_)(ani|caller|callers|number|numbers|called_back|callback|caller_id|callerid|e164|msisdn|"
    r"from_number|to_number|p_asserted_identity)$"
)
_LOCATION_FIELD = re.compile(
    r"(^|_)(location|latitude|longitude|lat|lon|pidf_lo|p_access_network_info)$"
)
_SECRET_FIELD = re.compile(
    r"password|passwd|passphrase|secret|authorization|credential|cookie|token"
)
# A number in international form, or an Indonesian one with 62 or 0 in front, separated or not;
# not a part of a longer word, so that ids and times stay readable.
_NUMBER_IN_TEXT = re.compile(
    r"(?<![\w.+-])(?:\+[1-9](?:[ -]?[0-9]){6,14}|(?:62[ -]?|0)[1-9](?:[ -]?[0-9]){6,12})(?![\w-])"
)
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]+@")
_SECRET_IN_TEXT = re.compile(
    r"(?i)((?:authorization|password|passwd|secret|api_key)[\"']?\s*[:=]\s*[\"']?)"
    r"((?:basic|bearer|digest)\s+)?[^\s\"',;&]+"
)


def configure(level: Level = "info", stream: TextIO | None = None) -> None:
    """Send logs of ``level`` and above to ``stream`` (standard error by default).

    May be called again; the last call counts. Level ``debug`` shows numbers in full.
    """
    threshold: int = getattr(logging, level.upper())
    _configure_structlog(threshold, stream)
    handler = logging.StreamHandler(stream)
    handler.set_name("ess_pbx")
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, _module_of_record],
            processors=[ProcessorFormatter.remove_processors_meta, *_finish(threshold)],
        )
    )
    root = logging.getLogger()
    for old in [each for each in root.handlers if each.get_name() == "ess_pbx"]:
        root.removeHandler(old)
    root.addHandler(handler)
    # Libraries at debug would drown the calls, and aiohttp's would show whole requests.
    root.setLevel(max(threshold, logging.INFO))


def get_logger(name: str) -> FilteringBoundLogger:
    """Return the logger of a module; may be called before ``configure``."""
    if not structlog.is_configured():
        # structlog's own default writes everything, unmasked, to standard output.
        _configure_structlog(logging.INFO, None)
    logger: FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


def masked(value: Any) -> Any:
    """The same document with numbers and locations as a log at ``info`` would show them."""
    return _Redaction(mask=True).redacted(value)


@contextmanager
def bind_call(call_id: str) -> Iterator[None]:
    """Put ``call_id`` on every line logged inside, by tasks started inside too."""
    with structlog.contextvars.bound_contextvars(call_id=call_id):
        yield


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
]


def _configure_structlog(threshold: int, stream: TextIO | None) -> None:
    structlog.configure(
        processors=[*_SHARED, *_finish(threshold)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr if stream is None else stream),
        cache_logger_on_first_use=False,
    )


def _finish(threshold: int) -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _Redaction(mask=threshold > logging.DEBUG),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _module_of_record(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["module"] = event["_record"].name
    return event


class _Redaction:
    """The processor that masks what must not be written."""

    def __init__(self, *, mask: bool) -> None:
        self.mask = mask

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        redacted: MutableMapping[str, Any] = self._mapping(event, is_number=False)
        return redacted

    def redacted(self, value: Any) -> Any:
        """Any document without what must not be written."""
        return self._value(value, is_number=False)

    def _mapping(self, fields: Mapping[Any, Any], *, is_number: bool) -> dict[str, Any]:
        redacted: dict[str, Any] = {}
        for key, value in fields.items():
            name = str(key).lower().replace("-", "_")
            text = self._text(str(key))
            if _SECRET_FIELD.search(name):
                redacted[text] = HIDDEN
            elif self.mask and _LOCATION_FIELD.search(name):
                redacted[text] = value if value is None else HIDDEN
            else:
                redacted[text] = self._value(
                    value, is_number=is_number or bool(_NUMBER_FIELD.search(name))
                )
        return redacted

    def _value(self, value: Any, *, is_number: bool) -> Any:
        if isinstance(value, msgspec.Struct):
            # What a struct hides in its repr, it hides here too.
            if type(value).__repr__ is not msgspec.Struct.__repr__:
                return self._text(repr(value))
            value = msgspec.structs.asdict(value)
        match value:
            case None | bool() | float():
                return value
            case int():
                masked = mask_number(str(value)) if is_number and self.mask else str(value)
                return value if masked == str(value) else masked
            case Mapping():
                return self._mapping(value, is_number=is_number)
            case list() | tuple() | set() | frozenset():
                return [self._value(each, is_number=is_number) for each in value]
        text = value if isinstance(value, str) else str(value)
        return mask_number(text) if is_number and self.mask else self._text(text)

    def _text(self, text: str) -> str:
        """Mask what looks like a number or a secret inside any text."""
        text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
        text = _SECRET_IN_TEXT.sub(rf"\1{HIDDEN}", text)
        if self.mask:
            text = _NUMBER_IN_TEXT.sub(lambda found: mask_number(found.group()), text)
        return text
