"""Telephone numbers as trunks deliver them: who called, which number was dialled, and masking.

Pure and total: nothing here raises on odd input, for a call is never refused over its caller id.
Sources: RFC 3261 §19.1 (SIP URI), RFC 3966 (tel URI, phone-context), RFC 3323 §4.1 (anonymous).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal
from urllib.parse import unquote

import msgspec
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

NOT_CALLABLE = "tidak bisa ditelepon balik"
"""What an operator reads in place of a number that cannot be called back."""

Reason = Literal["absent", "withheld", "unreadable", "invalid", "premium-rate"]

_WITHHELD = frozenset(
    (
        *("anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "hidden"),
        *("blocked", "nonumber", "idhidden", "numberwithheld", "privatenumber"),
        *("tidakdikenal", "nomorpribadi"),
    )
)
"""Compared without spaces and in lower case."""
_LONGEST_RAW = 256
_LONGEST_E164 = len("+") + 15
_LONGEST_LOCAL = 8
_VISUAL = re.compile(r"[\s()\[\].\-/_\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\ufeff]+")
_DIALLED = re.compile(r"\+?[0-9]+")
_SCHEME = re.compile(r"^(sips?|tel):", re.IGNORECASE)
_CONTEXT = re.compile(r";phone-context=(\+[0-9().\-]+)", re.IGNORECASE)
_MASKED = re.compile(r"\+?[0-9]{0,5}\*{4}[0-9]{0,2}")


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, as far as the trunk says."""

    raw: str | None
    """What the trunk delivered, untouched."""
    e164: str | None
    """The number in international form with ``+``, or None when it is not one."""
    display: str
    """What an operator reads."""
    callable: bool
    """Whether the centre may call this number back."""
    reason: Reason | None = None
    """Why it may not."""


def parse_caller(raw: str | None, *, country: str = "ID", area_code: str | None = None) -> Caller:
    """Read a caller's number in any form that trunks send it; never raises.

    ``country`` is the ISO 3166 region and ``area_code`` the local one (``0254``) that numbers
    without either are taken to be in.
    """
    if raw is None or not raw.strip():
        return _unknown(raw, "absent")
    if len(raw) > _LONGEST_RAW:
        return _unknown(raw, "unreadable")
    user = _user_part(raw)
    text = _compact(user)
    if text.casefold() in _WITHHELD:
        return _unknown(raw, "withheld")
    if not _DIALLED.fullmatch(text):
        return _unknown(raw, "unreadable")
    context = _CONTEXT.search(raw)
    prefix = _compact(context.group(1)) if context else None
    for candidate in _readings(text, country, area_code, prefix):
        number = _valid(candidate, country)
        if number is not None:
            return _known(raw, number, country)
    return _unknown(raw, "invalid")


def normalise_called(raw: str | None) -> str:
    """Reduce a dialled number to its digits, so that ``+62112`` and ``sip:62112@host`` are equal.

    What is not a number (a name, a URN) comes back in lower case, nothing as ``""``.
    """
    if raw is None:
        return ""
    text = _compact(_user_part(raw))
    return text.removeprefix("+") if _DIALLED.fullmatch(text) else text.casefold()


def mask_number(text: str) -> str:
    """Hide the middle of a number: ``+6281234567890`` becomes ``+62812****90``.

    At most the first five and the last two digits stay and at least five are hidden. Numbers of up
    to four digits (112, extensions) are nobody's own and stay; text that is no number is hidden.
    """
    if _MASKED.fullmatch(text):
        return text
    number = _compact(_user_part(text))
    if not number or number.casefold() in _WITHHELD:
        return number
    if not _DIALLED.fullmatch(number):
        return "****"
    plus = "+" if number.startswith("+") else ""
    digits = number.removeprefix("+")
    if len(digits) <= 4:
        return number
    first = max(0, min(5, len(digits) - 7))
    last = min(2, len(digits) - 5)
    return f"{plus}{digits[:first]}****{digits[len(digits) - last :]}"


def _readings(text: str, country: str, area: str | None, context: str | None) -> Iterator[str]:
    """Yield the ways a number may be meant, likeliest first; the first valid one counts."""
    if text.startswith("+"):
        yield text
        return
    if context is not None:
        yield context + text.lstrip("0")
    if text.startswith("00"):
        yield "+" + text[2:]
    code = str(phonenumbers.country_code_for_region(country))
    if text.startswith(code):
        yield "+" + text
    # Eight digits can also be a whole national number without its zero, but a local switch that
    # shortens numbers shortens them to this.
    if area is not None and not text.startswith("0") and len(text) <= _LONGEST_LOCAL:
        yield area + text
    yield text


def _valid(text: str, country: str) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    # Some national plans have longer numbers; E.164 §6.2.1 has 15 digits, and no more are dialled.
    digits = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return number if len(digits) <= _LONGEST_E164 else None


def _known(raw: str, number: PhoneNumber, country: str) -> Caller:
    home = number.country_code == phonenumbers.country_code_for_region(country)
    form = PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL
    # A forged premium-rate caller id would have the centre pay for calling back.
    premium = phonenumbers.number_type(number) == PhoneNumberType.PREMIUM_RATE
    return Caller(
        raw=raw,
        e164=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        display=phonenumbers.format_number(number, form),
        callable=not premium,
        reason="premium-rate" if premium else None,
    )


def _unknown(raw: str | None, reason: Reason) -> Caller:
    return Caller(raw=raw, e164=None, display=NOT_CALLABLE, callable=False, reason=reason)


def _user_part(raw: str) -> str:
    """Take the number out of a name-addr, a SIP or a tel URI."""
    text = raw.strip()
    opened = text.rfind("<")
    if opened >= 0:
        text = text[opened + 1 :].partition(">")[0]
    # Only the known schemes: "urn:service:sos" is a name, not a URI with a number in it.
    scheme = _SCHEME.match(text)
    if scheme:
        text = text[scheme.end() :]
    user, at, _ = text.partition("@")
    user = user.partition(";")[0]
    if scheme and not at and "." in user and scheme.group(1).lower() != "tel":
        return ""  # a host alone, and an address must not be read as a number
    if scheme or at:
        user = user.partition("?")[0].partition(":")[0]
    return unquote(user)


def _compact(text: str) -> str:
    """Drop visual separators (RFC 3966 §5.1.1) and write every script's digits as ASCII."""
    plain = _VISUAL.sub("", unicodedata.normalize("NFKC", text))
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char for char in plain
    ).strip()
