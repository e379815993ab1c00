"""What emergency centres tell each other in Call-Info, and what is made of a stranger's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.sip.call_info import LONGEST, CallInfo, call_info, read_call_info

CALL, REPORT = "ess1-1763786000.12", "kota-utara-20261122-0001"
HEADER = call_info("kota-utara", CALL, REPORT)


def test_the_header_is_as_nena_writes_it() -> None:
    assert HEADER == (
        "<urn:emergency:uid:callid:ess1H1763786000D12:kota-utara>;purpose=emergency-CallId, "
        "<urn:emergency:uid:incidentid:202611220001:kota-utara>;purpose=emergency-IncidentId"
    )


@pytest.mark.parametrize("call", [CALL, "ess-jawa-1-1763786000.3", "ess1-cb1763786000.12.2"])
@pytest.mark.parametrize("report", ["", REPORT, "kota-utara-20261122-123456"])
def test_what_is_written_is_read(call: str, report: str) -> None:
    read = read_call_info(call_info("kota-utara", call, report))
    assert read == CallInfo(centre="kota-utara", call=call, report=report)


def test_a_report_of_another_centre_is_not_told() -> None:
    assert "incidentid" not in call_info("kota-utara", CALL, "selatan-20261122-0001")


def test_other_values_of_the_header_are_passed_over() -> None:
    others = "<http://x/y.png>;purpose=icon, <https://a/b>;purpose=EmergencyCallData.Comment"
    assert read_call_info(f"{others}, {HEADER}") == read_call_info(HEADER)


def test_spaces_and_capitals_are_a_matter_of_taste() -> None:
    spaced = HEADER.replace(";purpose=", " ; PURPOSE = ").replace("urn:emergency", "URN:Emergency")
    assert read_call_info(spaced) == read_call_info(HEADER)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "<urn:emergency:uid:incidentid:202611220001:kota>;purpose=emergency-IncidentId",
        HEADER.replace("emergency-CallId", "emergency-IncidentId"),
        HEADER.replace("kota-utara", "Kota Utara"),
        HEADER.replace("kota-utara", "k" * 41),
        HEADER.replace("ess1H", "ess1H" * 30),
        HEADER.replace("ess1H", "../../H"),
        HEADER.replace("ess1H", "ess1%48"),
        HEADER.replace(">", "\x00>"),
        " " * LONGEST + HEADER,
        "<" * 100_000,
        "<urn:emergency:uid:callid:" * 10_000,
    ],
)
def test_what_cannot_be_understood_says_nothing(value: str) -> None:
    assert read_call_info(value) is None


def test_a_report_that_makes_no_sense_leaves_the_call() -> None:
    read = read_call_info(HEADER.replace("202611220001", "20261122"))
    assert read == CallInfo(centre="kota-utara", call=CALL)


@given(st.text() | st.from_regex(r"(<urn:emergency:uid:[a-z]{0,12}:?[^>]{0,9}:?[a-z]*>;[a-z=,]*)*"))
def test_nothing_raises(value: str) -> None:
    read = read_call_info(value)
    assert read is None or read_call_info(call_info(read.centre, read.call, read.report)) == read
