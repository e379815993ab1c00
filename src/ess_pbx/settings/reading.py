"""Holding what a settings or menu file says against a shape, noting everything that is wrong.

``read`` goes through a shape field by field, where ``msgspec.convert`` would stop at the first
wrong one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from ess_pbx.domain.config import (
    AllowedNumber,
    AreaCode,
    CountryCode,
    Extension,
    Identifier,
    Key,
    LanguageCode,
    LocalTime,
    Number,
    PromptName,
    Title,
    WebAddress,
)
from ess_pbx.settings.model import (
    DatabaseUrl,
    EnvironmentName,
    GreetingName,
    HookUrl,
    IPv4,
    NodeName,
)
from ess_pbx.settings.toml_lines import Path as FieldPath
from ess_pbx.settings.toml_lines import locate


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a settings file."""

    file: str
    line: int
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        subject = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {subject}{self.found}; expected {self.expected}"


def render_errors(errors: Iterable[Problem]) -> str:
    """Write one line a problem: file, line, field, what stands there and what was expected."""
    return "\n".join(str(error) for error in errors)


@dataclass
class Problems:
    """What was found wrong in one file, whose lines are known."""

    file: str
    lines: Mapping[FieldPath, int]
    found: list[Problem] = field(default_factory=list)

    def add(self, path: FieldPath, found: str, expected: str) -> None:
        """Note that at ``path`` stands ``found`` where ``expected`` should."""
        line = locate(self.lines, path)
        self.found.append(Problem(self.file, line, _dotted(path), found, expected))

    def sorted(self) -> list[Problem]:
        """Return the problems in the order of the file."""
        return sorted(self.found, key=lambda problem: problem.line)


INVALID: Final = object()
"""Stands in for a value that was reported as wrong."""


def read(raw: object, kind: Any, path: FieldPath, problems: Problems) -> Any:
    """Make a value of type ``kind`` out of what a file says, noting everything that is wrong.

    A tuple or dict keeps ``INVALID`` in place of wrong elements; a struct with a wrong field, like
    any other wrong value, is ``INVALID``.
    """
    origin = get_origin(kind)
    if origin in (Union, UnionType):  # only "X | None" occurs in the shapes
        if raw is None:
            return None
        kind = next(option for option in get_args(kind) if option is not type(None))
        origin = get_origin(kind)
    if origin is tuple:
        if not isinstance(raw, list):
            return _wrong(raw, kind, path, problems)
        item = get_args(kind)[0]
        return tuple(read(each, item, (*path, at), problems) for at, each in enumerate(raw))
    if origin is dict:
        if not isinstance(raw, dict):
            return _wrong(raw, kind, path, problems)
        of_key, of_value = get_args(kind)
        return {
            read(key, of_key, (*path, key), problems): read(each, of_value, (*path, key), problems)
            for key, each in raw.items()
        }
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not isinstance(raw, dict):
            return _wrong(raw, kind, path, problems)
        values = read_fields(raw, [kind], path, problems)
        return INVALID if holds_invalid(values) else kind(**values)
    return _read_plain(raw, kind, path, problems)


def read_fields(
    raw: dict[str, Any], shapes: Sequence[Any], path: FieldPath, problems: Problems
) -> dict[str, Any]:
    """Read the fields of structs, each on its own, with defaults for those not given."""
    fields = {each.encode_name: each for shape in shapes for each in msgspec.structs.fields(shape)}
    for name in raw.keys() - fields.keys():
        near = difflib.get_close_matches(str(name), fields, n=1)
        expected = near[0] if near else "one of " + ", ".join(fields)
        problems.add((*path, name), "no such field", expected)
    values: dict[str, Any] = {}
    for name, each in fields.items():
        if name in raw:
            values[each.name] = read(raw[name], each.type, (*path, name), problems)
        elif each.required:
            problems.add((*path, name), "missing", _describe(inspect.type_info(each.type)))
            values[each.name] = INVALID
        else:
            values[each.name] = (
                each.default_factory() if each.default is msgspec.NODEFAULT else each.default
            )
    return values


def holds_invalid(value: object) -> bool:
    """Tell whether a value, or anything inside it, was reported as wrong."""
    if isinstance(value, dict):
        return any(holds_invalid(key) or holds_invalid(each) for key, each in value.items())
    if isinstance(value, tuple):
        return any(holds_invalid(each) for each in value)
    return value is INVALID


def _read_plain(raw: object, kind: Any, path: FieldPath, problems: Problems) -> Any:
    if isinstance(raw, str) and any(ord(char) < 32 for char in raw):
        # "$" in a pattern lets a last line feed pass, and it would end up in Asterisk's files.
        return _wrong(raw, kind, path, problems)
    if kind is Path:
        return Path(raw) if isinstance(raw, str) and raw else _wrong(raw, kind, path, problems)
    value = raw
    if (
        kind in (time, LocalTime)
        and isinstance(raw, str)
        and re.fullmatch("[0-9]{2}:[0-9]{2}", raw)
    ):
        value = raw + ":00"
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        return _wrong(raw, kind, path, problems)


def _wrong(raw: object, kind: Any, path: FieldPath, problems: Problems) -> object:
    problems.add(path, shown(raw), _describe(inspect.type_info(kind)))
    return INVALID


def shown(raw: object) -> str:
    """Write a value as it may stand in a message: short, on one line, without a URL's password."""
    match raw:
        case None:
            return "nothing"
        case bool():
            return str(raw).lower()
        case dict():
            return "a table"
        case list():
            return "a list"
        case str():
            text = re.sub(r"(://[^:/@]*:).*@", r"\1***@", raw)
            text = re.sub(r"(password=)[^&]*", r"\1***", text)
            return msgspec.json.encode(text if len(text) <= 60 else text[:57] + "...").decode()
    return str(raw)


def _dotted(path: FieldPath) -> str:
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path if step != "")
    return "".join(parts).lstrip(".")


def _pattern(kind: Any) -> str:
    return str(kind.__metadata__[0].pattern)


_WORDS = {
    _pattern(Identifier): "lower-case letters, digits and hyphens, 1 to 40 of them",
    _pattern(PromptName): "a prompt's name: lower-case letters, digits and hyphens",
    _pattern(GreetingName): 'a prompt\'s name, or "" for no greeting',
    _pattern(NodeName): "lower-case letters, digits and hyphens, 1 to 16 of them",
    _pattern(Extension): 'an extension in quotes, 2 to 8 digits such as "1001"',
    _pattern(Number): 'a number in quotes, 2 to 20 digits such as "112" or "+62112"',
    _pattern(LanguageCode): 'a language code such as "id" or "en"',
    _pattern(Title): 'a name of 1 to 80 characters without " < > ; or \\',
    _pattern(Key): 'a telephone key: "0" to "9", "*" or "#"',
    _pattern(IPv4): 'an IPv4 address such as "192.0.2.10"',
    _pattern(AreaCode): 'an area code with its zero, such as "0254"',
    _pattern(CountryCode): 'a country\'s two capital letters, such as "ID"',
    _pattern(DatabaseUrl): "a URL that begins sqlite+aiosqlite: or postgresql+psycopg:",
    _pattern(HookUrl): "an https address without a password; http only for 127.0.0.1",
    _pattern(EnvironmentName): "the name of an environment variable",
    _pattern(
        AllowedNumber
    ): 'a number such as "+622541234567", "108", or "+62254*" for all of those',
    _pattern(
        WebAddress
    ): 'https:// and a host, with a port or without, such as "https://192.0.2.7"',
    r"^[0-9]{3,4}$": 'a code in quotes, 3 or 4 digits such as "119"',
    r"^sip:[^@\s;,&|]+@[A-Za-z0-9.:\[\]-]+$": 'a SIP URI such as "sip:119@192.0.2.20:5060"',
}


def _describe(kind: inspect.Type) -> str:
    """Say in words what a type takes."""
    match kind:
        case inspect.StrType(pattern=str() as pattern):
            return _WORDS.get(pattern, f"text that matches {pattern}")
        case inspect.StrType():
            return "text in quotes"
        case inspect.IntType():
            return f"a whole number{_limits(kind)}"
        case inspect.FloatType():
            return f"a number{_limits(kind)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.TimeType():
            return 'a time of day such as "07:00"'
        case inspect.LiteralType():
            return "one of " + ", ".join(str(value) for value in kind.values)
        case inspect.VarTupleType():
            return f"a list, each element {_describe(kind.item_type)}"
        case inspect.UnionType():
            return _describe(kind.types[0])
        case inspect.StructType():
            return "a table with " + ", ".join(each.encode_name for each in kind.fields)
        case inspect.DictType():
            return "a table"
    return "a path in quotes"


def _limits(kind: inspect.IntType | inspect.FloatType) -> str:
    least = kind.ge if kind.ge is not None else kind.gt
    above = "above" if kind.ge is None else "from"
    if least is None or kind.le is None:
        return ""
    return (
        f" {above} {least} to {kind.le}" if above == "from" else f" above {least}, up to {kind.le}"
    )
