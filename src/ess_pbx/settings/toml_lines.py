"""Finds the line on which a value stands in TOML source, which ``tomllib`` does not tell.

Only for source that ``tomllib`` has accepted: it follows the structure and checks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""Where a value is: names of tables and fields, and indexes into arrays from 0."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_SHORT_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


def locate(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of ``path``, or of the nearest table around it when it is not there."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def toml_lines(source: str) -> dict[Path, int]:
    """Map every table, field and array element of TOML source to its line, counted from 1.

    A table has the line of its header, a field that of its key.
    """
    scanner = _Scanner(source)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self.source):
            if self.source.startswith("[", self.at):
                table = self._header()
            else:
                self._field(table)

    def _header(self) -> Path:
        line = self._line()
        array = self.source.startswith("[[", self.at)
        self.at += 2 if array else 1
        keys = self._keys()
        self.at += 2 if array else 1
        path: Path = ()
        for key in keys[:-1]:
            path = self._inside((*path, key), line)
        path = (*path, keys[-1])
        if array:
            self.lines.setdefault(path, line)
            index = self._counts.get(path, 0)
            self._counts[path] = index + 1
            path = (*path, index)
        self.lines[path] = line
        return path

    def _inside(self, path: Path, line: int) -> Path:
        """Go into a table on the way; in an array of tables that is its last element."""
        self.lines.setdefault(path, line)
        count = self._counts.get(path, 0)
        return (*path, count - 1) if count else path

    def _field(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the "="
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        match self.source[self.at : self.at + 1]:
            case "[":
                self._elements(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_SCALAR)

    def _elements(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.source[self._skip(_BLANK)] != "]":
            self.lines[(*path, index)] = self._line()
            self._value((*path, index))
            index += 1
            self._comma()
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while self.source[self._skip(_BLANK)] != "}":
            self._field(path)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        if self.source[self._skip(_BLANK)] == ",":
            self.at += 1

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            text = self.source[self.at]
            keys.append(_plain(self._take(_STRING if text in "\"'" else _BARE_KEY)))
            self._skip(_SPACE)
            if self.source[self.at] != ".":
                return keys
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        self._take(pattern)
        return self.at

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.source, self.at)
        if found is None:
            raise ValueError(f"not TOML at line {self._line()}")
        self.at = found.end()
        return found.group()

    def _line(self) -> int:
        return self.source.count("\n", 0, self.at) + 1


def _plain(key: str) -> str:
    """Take a key's quotes and escapes away."""
    if key.startswith("'"):
        return key[1:-1]
    if not key.startswith('"'):
        return key

    def character(escape: re.Match[str]) -> str:
        code = escape.group(1) or escape.group(2)
        return chr(int(code, 16)) if code else _SHORT_ESCAPES[escape.group(3)]

    return _ESCAPE.sub(character, key[1:-1])
