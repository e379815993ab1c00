"""Each figure stands in the line of its group, and calls are in one group only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ess_pbx.domain.outbound_figures import OutboundFacts
from ess_pbx.domain.service_level import Consult, PassedOver
from ess_pbx.report.asked import By
from ess_pbx.report.tables import NO_CALLS

from .small_centre import a_day, a_report, no_calls, value

MARKED = (
    *("Normal", "Ghost", "Prank", "Informasi", "Tanpa tanda"),
    *("Panggilan ulang", "Penelepon diam (tombol 5)"),
)


def masuk(by: By) -> dict[str, object]:
    table = a_report(a_day(), by).sections[0]
    return {line.code: line.values[0] for line in table.lines}


def test_the_centre_has_one_line_of_all() -> None:
    report = a_report(a_day())
    assert masuk(By.CENTRE) == {"contoh": 3}
    assert value(report, "Hasil", "contoh", "Ditinggalkan penelepon") == 1
    assert value(report, "Hasil", "contoh", "Masih menunggu") == 1
    assert value(report, "Hasil", "contoh", "Tidak diangkat (RONA)") == 1
    assert value(report, "Kecepatan jawab", "contoh", "Dijawab ≤ 10 detik") == 1 / 3
    assert value(report, "Kecepatan jawab", "contoh", "Rata-rata waktu jawab (ASA)") == 8.0
    assert value(report, "Kecepatan jawab", "contoh", "Tunggu terlama") == 30.0
    assert value(report, "Corong kehilangan", "contoh", "Tuntas bersama instansi") == 1


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (By.CATEGORY, {"contoh": 3, "medis": 1, "": 2}),
        (By.TRUNK, {"contoh": 3, "indosat": 1, "telkom": 2}),
        (By.OPERATOR, {"contoh": 3, "1001": 1, "1002": 0, "": 2}),
        (By.SHIFT, {"contoh": 3, "pagi": 1, "siang": 1, "malam": 1}),
    ],
)
def test_groups_add_up_to_the_centre(by: By, groups: dict[str, int]) -> None:
    assert masuk(by) == groups
    assert sum(groups.values()) == 2 * groups["contoh"]


def test_missed_offers_are_the_operators_own_and_otherwise_their_calls() -> None:
    by_operator, by_trunk = a_report(a_day(), By.OPERATOR), a_report(a_day(), By.TRUNK)
    missed = "Tawaran tidak diambil"
    assert value(by_operator, "Hasil", "1002", missed) == 1
    assert value(by_operator, "Hasil", "1001", missed) == 0
    assert value(by_trunk, "Hasil", "telkom", missed) == 1


def test_names_come_from_the_settings_and_ids_stand_in() -> None:
    lines = a_report(a_day(), By.TRUNK).sections[0].lines
    assert [line.name for line in lines] == ["Seluruh Pusat Contoh", "indosat", "Telkom"]
    unknown = a_report(a_day(), By.CATEGORY).sections[0].lines[-1]
    assert (unknown.code, unknown.name) == ("", "(belum dikategorikan)")


def test_occupancy_is_of_the_centre_each_shift_and_each_operator() -> None:
    report = a_report(a_day(), By.SHIFT)
    work = "Beban kerja operator"
    for code in ("contoh", "pagi", "1001"):
        assert value(report, work, code, "Bicara") == 0.5
        assert value(report, work, code, "Bertugas") == 1.0
        assert value(report, work, code, "Okupansi") == 0.5
    for code in ("siang", "malam", "1002"):
        assert value(report, work, code, "Okupansi") is None


def test_agencies_are_told_one_by_one_and_together() -> None:
    report = a_report(a_day())
    for code in ("", "psc119"):
        assert value(report, "Instansi", code, "Dihubungi") == 1
        assert value(report, "Instansi", code, "Rata-rata sampai dijawab") == 6.0


def test_an_agency_that_is_closed_or_declines_is_told_so_and_each_contact_for_itself() -> None:
    day = a_day()
    first = replace(
        day.calls[0],
        consults=(Consult(agency="psc119", started=1.0, failure="refused"),),
        passed_over=(PassedOver(agency="psc119", contact=2, reason="closed"),),
        holds=(2.0, 4.0),
    )
    report = a_report(replace(day, calls=(first,)))
    for heading, whole, one, two in (("Ditolak", 1, 1, 0), ("Tutup", 1, 0, 1)):
        (table,) = (each for each in report.sections if each.title == "Instansi")
        place = [column.heading for column in table.columns].index(heading)
        told = [line.values[place] for line in table.lines if line.code == "psc119"]
        assert told == [whole, one, two]
    assert value(report, "Penelepon ditahan", "contoh", "Penahanan") == 2
    assert value(report, "Penelepon ditahan", "contoh", "Terlama") == 4.0


def test_what_operators_dial_is_told_one_by_one_and_together_with_what_was_refused() -> None:
    dialled = (
        OutboundFacts(agent="1001", answered=True),
        OutboundFacts(agent="1001", refused="not-allowed"),
        OutboundFacts(agent="1002", refused="daily-cap"),
    )
    report = a_report(replace(a_day(), outbound=dialled))
    (table,) = (each for each in report.sections if each.title == "Panggilan keluar petugas")
    assert [(line.code, *line.values) for line in table.lines] == [
        ("", 3, 1, 1, 0, 1, 1, 0),
        ("1001", 2, 1, 1, 0, 1, 0, 0),
        ("1002", 1, 0, 0, 0, 0, 1, 0),
    ]


def test_calls_are_counted_by_what_people_said_they_were() -> None:
    facts = a_day()
    first, second, third = facts.calls
    calls = (
        replace(first, mark="prank"),
        replace(second, redial=True),
        replace(third, mark="ghost", silent=True),
    )
    report = a_report(replace(facts, calls=calls))

    found = {heading: value(report, "Tanda panggilan", "contoh", heading) for heading in MARKED}
    assert found == dict(zip(MARKED, (0, 1, 1, 0, 1, 1, 1), strict=True))


@pytest.mark.parametrize("by", list(By))
def test_a_day_without_calls_says_so(by: By) -> None:
    report = a_report(no_calls(), by)
    assert report.offered == 0
    for section in report.sections[:3]:
        assert all(line.none == NO_CALLS for line in section.lines)
    assert value(report, "Kecepatan jawab", "contoh", "Dijawab ≤ 10 detik") is None
