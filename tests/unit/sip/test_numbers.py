"""Callers' numbers in every form that trunks deliver them, numbers dialled, and masking."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.sip.numbers import (
    NOT_CALLABLE,
    mask_number,
    normalise_called,
    parse_caller,
)

MOBILE = "+6281234567890"
LOCAL = "+62254201234"


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("+6281234567890", MOBILE),
        ("+62 812-3456-7890", MOBILE),
        ("+62 (0)812 3456.7890", MOBILE),
        ("081234567890", MOBILE),
        ("81234567890", MOBILE),
        ("6281234567890", MOBILE),
        ("006281234567890", MOBILE),
        ("\u200e+62\u00a0812\u20113456\u20117890\u202c", MOBILE),
        ("０８１２３４５６７８９０", MOBILE),
        ("＋６２８１２３４５６７８９０", MOBILE),
        ("٠٨١٢٣٤٥٦٧٨٩٠", MOBILE),
        ("tel:+62-812-3456-7890", MOBILE),
        ("tel:081234567890;phone-context=+62", MOBILE),
        ("tel:81234567890;phone-context=+62", MOBILE),
        ("tel:081234567890;phone-context=telco.example", MOBILE),
        ("tel:201234;phone-context=+62254", LOCAL),
        ("sip:+6281234567890@192.0.2.1:5060;user=phone", MOBILE),
        ("SIPS:081234567890;oli=62@telco.example?x=1", MOBILE),
        ("sip:%2B6281234567890@192.0.2.1", MOBILE),
        ("sip:+6281234567890:secret@192.0.2.1", MOBILE),
        ('"Budi <x>" <sip:081234567890@192.0.2.1>;tag=8', MOBILE),
        ("<tel:+6281234567890>", MOBILE),
        ("+6281234567890@192.0.2.1", MOBILE),
        ("0254201234", LOCAL),
        ("254201234", LOCAL),
        ("201234", LOCAL),
        ("8123456", "+622548123456"),
        ("622345", "+62254622345"),
        ("+65 8123 4567", "+6581234567"),
    ],
)
def test_a_number_is_read_in_any_form(raw: str, e164: str) -> None:
    caller = parse_caller(raw, area_code="0254")

    assert (caller.e164, caller.callable, caller.reason) == (e164, True, None)
    assert caller.raw == raw


def test_the_context_of_a_tel_uri_says_where_its_number_is() -> None:
    assert parse_caller("tel:201234;phone-context=+62254").e164 == LOCAL
    assert parse_caller("tel:201234;phone-context=+62254", area_code="021").e164 == LOCAL


@pytest.mark.parametrize(
    ("raw", "display"),
    [(MOBILE, "0812-3456-7890"), (LOCAL, "(0254) 201234"), ("+6581234567", "+65 8123 4567")],
)
def test_an_operator_reads_the_number_as_they_would_dial_it(raw: str, display: str) -> None:
    assert parse_caller(raw).display == display


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "absent"),
        ("", "absent"),
        (" \t", "absent"),
        ("anonymous", "withheld"),
        ("Restricted", "withheld"),
        ("Number Withheld", "withheld"),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', "withheld"),
        ("budi", "unreadable"),
        ("sip:192.0.2.1", "unreadable"),
        ("+", "unreadable"),
        ("<", "unreadable"),
        ("+62812*456", "unreadable"),
        ("0" * 300, "unreadable"),
        ("112", "invalid"),
        ("0000000000", "invalid"),
        ("+999999999999999", "invalid"),
        ("356938035643809", "invalid"),  # an IMEI, as from a phone without a SIM
        ("201234", "invalid"),  # local, and no area is known
    ],
)
def test_a_call_without_a_usable_number_says_why(raw: str | None, reason: str) -> None:
    caller = parse_caller(raw)

    assert (caller.e164, caller.callable, caller.reason) == (None, False, reason)
    assert caller.display == NOT_CALLABLE == "tidak bisa ditelepon balik"
    assert caller.raw == raw


def test_a_premium_number_is_known_but_never_called_back() -> None:
    caller = parse_caller("08091234567")

    assert (caller.e164, caller.callable, caller.reason) == (
        "+628091234567",
        False,
        "premium-rate",
    )


def test_a_number_longer_than_e164_allows_is_not_one_to_call() -> None:
    caller = parse_caller("+4930000000000000")
    assert (caller.e164, caller.callable) == (None, False)


ODD = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet='+0123456789 -().;:@<>"=%?*#tel:sip', max_size=40),
    st.from_regex(r"(tel:|sip:)?\+?[0-9]{0,20}(;phone-context=\+?[0-9.-]{0,8})?", fullmatch=True),
)


@given(raw=ODD, area=st.sampled_from([None, "0254", "021"]), country=st.sampled_from(["ID", "XX"]))
def test_no_text_whatever_makes_it_fail(raw: str | None, area: str | None, country: str) -> None:
    caller = parse_caller(raw, area_code=area, country=country)

    assert caller.raw == raw
    assert (caller.e164 is None) == (caller.display == NOT_CALLABLE)
    assert caller.callable == (caller.e164 is not None and caller.reason is None)
    assert caller.e164 is None or re.fullmatch(r"\+[1-9][0-9]{3,14}", caller.e164)


@given(raw=ODD)
def test_a_number_that_was_read_is_read_the_same_again(raw: str | None) -> None:
    e164 = parse_caller(raw, area_code="0254").e164

    assert e164 is None or parse_caller(e164).e164 == e164


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ("112", "112"),
        ("+62112", "62112"),
        ("62 112", "62112"),
        ("0254-112", "0254112"),
        ("sip:112@192.0.2.1:5060;user=phone", "112"),
        ("<sip:+62112;npdi@192.0.2.1>", "62112"),
        ("tel:112;phone-context=+62", "112"),
        ("112;phone-context=+62@192.0.2.1", "112"),
        ("urn:service:SOS", "urn:service:sos"),
        ("Pusat", "pusat"),
        ("sip:192.0.2.112", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_dialled_number_is_reduced_to_its_digits(raw: str | None, digits: str) -> None:
    assert normalise_called(raw) == digits


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (MOBILE, "+62812****90"),
        ("081234567890", "08123****90"),
        ("+62 812-3456-7890", "+62812****90"),
        ("sip:+6281234567890@192.0.2.1", "+62812****90"),
        ("+62812****90", "+62812****90"),
        ("0254201234", "025****34"),
        ("201234", "****4"),
        ("12345", "****"),
        ("112", "112"),
        ("1001", "1001"),
        ("anonymous", "anonymous"),
        ("Budi Santoso", "****"),
        ("", ""),
    ],
)
def test_the_middle_of_a_number_is_hidden(text: str, masked: str) -> None:
    assert mask_number(text) == masked


@given(st.from_regex(r"\+?[0-9]{5,20}", fullmatch=True))
def test_at_least_five_digits_are_hidden(number: str) -> None:
    masked = mask_number(number)

    assert sum(map(str.isdigit, number)) - sum(map(str.isdigit, masked)) >= 5
    assert mask_number(masked) == masked


@given(st.text())
def test_masking_takes_any_text(text: str) -> None:
    assert mask_number(mask_number(text)) == mask_number(text)
