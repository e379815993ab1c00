"""The figures of a period laid out in tables: for the centre, and for each of its groups.

Nothing is computed here that ``ess_pbx.domain.service_level`` does not define.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine

from ess_pbx.db.figures import PeriodFacts, read_period
from ess_pbx.domain.call_back_figures import call_back_figures
from ess_pbx.domain.commands import Mark
from ess_pbx.domain.outbound import Refusal
from ess_pbx.domain.outbound_figures import outbound_figures
from ess_pbx.domain.service_level import (
    CallFacts,
    Consult,
    Figures,
    MissedOffer,
    PassedOver,
    Step,
    Thresholds,
    Work,
    agency_figures,
    figures,
    work,
)
from ess_pbx.report.asked import Asked, By
from ess_pbx.report.period import duties_in, duty_at
from ess_pbx.report.tables import NO_CALLS, NO_DATA, Column, Line, Report, Section, Unit, Value

GROUP = {
    By.CENTRE: "Pusat",
    By.CATEGORY: "Kategori",
    By.TRUNK: "Trunk",
    By.OPERATOR: "Operator",
    By.SHIFT: "Regu",
}
MARKS = {
    Mark.NORMAL: "Normal",
    Mark.GHOST: "Ghost",
    Mark.PRANK: "Prank",
    Mark.INFORMATION: "Informasi",
}
REFUSALS = {
    Refusal.CLOSED: "Ditolak: peran tidak boleh menelepon keluar",
    Refusal.NOT_ALLOWED: "Ditolak: nomor tidak diizinkan",
    Refusal.DAILY_CAP: "Ditolak: batas harian habis",
    Refusal.IN_A_CALL: "Ditolak: sedang dalam panggilan",
}
UNKNOWN = {
    By.CENTRE: "",
    By.CATEGORY: "(belum dikategorikan)",
    By.TRUNK: "(trunk tidak dikenal)",
    By.OPERATOR: "(tidak dijawab operator)",
    By.SHIFT: "(di luar jam regu)",
}


async def read_report(database: AsyncEngine, asked: Asked) -> Report:
    """The report from the database; raises DatabaseError."""
    period = asked.period
    facts = await read_period(database, asked.centre.id, period.start, period.end)
    return build_report(facts, asked)


def build_report(facts: PeriodFacts, asked: Asked) -> Report:
    """The report of these facts."""
    thresholds, names = asked.thresholds, asked.names(asked.by)
    total = figures(facts.calls, facts.missed, thresholds)
    found = [(asked.centre.id, asked.whole, total)]
    for code, group in _groups(facts, asked).items():
        its = figures(group.calls, group.missed, thresholds)
        found.append((code, _name(names, code, UNKNOWN[asked.by]), its))
    sections = [
        _section(title, GROUP[asked.by], columns, found, row)
        for title, columns, row in _call_tables(thresholds)
    ]
    sections.append(_work_section(facts, asked))
    sections.append(_agency_section(facts, asked))
    sections.append(_call_back_section(facts, asked))
    sections.append(_outbound_section(facts, asked))
    return Report(
        centre=asked.centre.name,
        period=asked.period,
        made=asked.now.astimezone(asked.zone),
        offered=total.offered,
        sections=tuple(sections),
    )


@dataclass(slots=True)
class _Group:
    calls: list[CallFacts] = field(default_factory=list)
    missed: list[MissedOffer] = field(default_factory=list)


def _groups(facts: PeriodFacts, asked: Asked) -> dict[str, _Group]:
    """Calls and missed offers by group; the code of what is not known is empty, and comes last.

    An operator's calls are those that they answered first, and their missed offers are their own;
    of any other group the missed offers are those of its calls.
    """
    by = asked.by
    if by is By.CENTRE:
        return {}
    duties = duties_in(asked.roster, asked.period, asked.zone)

    def code(call: CallFacts) -> str:
        match by:
            case By.CATEGORY:
                return call.category or ""
            case By.TRUNK:
                return call.trunk or ""
            case By.OPERATOR:
                return call.operator or ""
            case _:
                duty = duty_at(duties, call.invited_at)
                return "" if duty is None else duty.shift.id

    groups: dict[str, _Group] = {}
    if by is By.SHIFT:
        groups = {shift.id: _Group() for shift in asked.roster.shifts}
    of_call = {call.id: code(call) for call in facts.calls}
    for call in facts.calls:
        groups.setdefault(of_call[call.id], _Group()).calls.append(call)
    for offer in facts.missed:
        group = offer.agent if by is By.OPERATOR else of_call[offer.call]
        groups.setdefault(group, _Group()).missed.append(offer)
    order = list(groups) if by is By.SHIFT else sorted(groups)
    return {each: groups[each] for each in sorted(order, key=lambda each: not each)}


_Row: TypeAlias = Callable[[Figures], tuple[Value, ...]]


def _call_tables(thresholds: Thresholds) -> Iterable[tuple[str, tuple[Column, ...], _Row]]:
    calls, seconds, short = Unit.CALLS, Unit.SECONDS, _plain(thresholds.short)
    funnel = (
        *("Masuk", "Disapa", "Masuk antrean", "Berdering di operator", "Dijawab operator"),
        *("Berdering di instansi", "Dijawab instansi", "Tuntas bersama instansi"),
    )
    yield (
        "Corong kehilangan",
        (
            *(Column(heading, calls) for heading in funnel),
            Column("Tuntas tanpa instansi", calls),
        ),
        lambda f: (*(f.funnel[step] for step in Step), f.without_agency),
    )
    yield (
        "Hasil",
        (
            Column("Masuk", calls),
            Column("Dijawab", calls),
            Column("Ditinggalkan penelepon", calls),
            Column(f"Ditinggalkan < {short} detik", calls),
            Column("Gagal oleh sistem", calls),
            Column("Selesai dengan informasi", calls),
            Column("Masih menunggu", calls),
            Column("Belum selesai", calls),
            Column("Tawaran tidak diambil", Unit.TIMES),
            Column("Tidak diangkat (RONA)", Unit.TIMES),
        ),
        lambda f: (
            *(f.offered, f.answered, f.abandoned, f.short_abandons, f.lost, f.informed),
            *(f.waiting, f.unfinished, f.missed_offers, f.rona),
        ),
    )
    levels = []
    for within in map(_plain, thresholds.within):
        levels.append(Column(f"Dijawab ≤ {within} detik", Unit.SHARE))
        without = f"Dijawab ≤ {within} detik, tanpa yang ditinggalkan < {short} detik"
        levels.append(Column(without, Unit.SHARE))
    yield (
        "Kecepatan jawab",
        (
            *levels,
            Column("Rata-rata waktu jawab (ASA)", seconds),
            *(Column(f"Waktu jawab p{percent}", seconds) for percent in (50, 90, 95)),
            Column("Tunggu terlama", seconds),
            Column("Rata-rata sampai instansi menjawab", seconds),
            Column("Sampai instansi menjawab p90", seconds),
        ),
        lambda f: (
            *(share for level in f.service_levels for share in (level.of_all, level.without_short)),
            *(f.answer.mean, f.answer.p50, f.answer.p90, f.answer.p95, f.longest_wait),
            *(f.invite_to_agency.mean, f.invite_to_agency.p90),
        ),
    )
    yield (
        "Penelepon ditahan",
        (
            Column("Panggilan ditahan", calls),
            Column("Penahanan", Unit.TIMES),
            Column("Rata-rata lama", seconds),
            Column("Lama p90", seconds),
            Column("Terlama", seconds),
        ),
        lambda f: (f.held, f.holds, f.hold.mean, f.hold.p90, f.longest_hold),
    )
    yield (
        "Tanda panggilan",
        (
            *(Column(MARKS[mark], calls) for mark in Mark),
            Column("Tanpa tanda", calls),
            Column("Panggilan ulang", calls),
            Column("Penelepon diam (tombol 5)", calls),
        ),
        lambda f: (
            *(f.marks[mark] for mark in Mark),
            f.offered - sum(f.marks.values()),
            *(f.redials, f.silent),
        ),
    )


def _section(
    title: str,
    group: str,
    columns: tuple[Column, ...],
    found: Iterable[tuple[str, str, Figures]],
    row: _Row,
) -> Section:
    lines = (
        Line(code, name, row(each), NO_DATA if each.offered else NO_CALLS)
        for code, name, each in found
    )
    return Section(title, group, columns, tuple(lines))


def _work_section(facts: PeriodFacts, asked: Asked) -> Section:
    period = asked.period

    def worked(times: Iterable[tuple[datetime, datetime]]) -> dict[str, Work]:
        windows = [(start.timestamp(), end.timestamp()) for start, end in times]
        return work(facts.states, windows, asked.now.timestamp())

    of_operators = worked([(period.start, period.end)])
    lines = [_work_line(asked.centre.id, asked.whole, of_operators.values())]
    if asked.by is By.SHIFT:
        duties = duties_in(asked.roster, period, asked.zone)
        for shift in asked.roster.shifts:
            times = (
                (max(duty.begins, period.start), min(duty.ends, period.end))
                for duty in duties
                if duty.shift.id == shift.id
            )
            lines.append(_work_line(shift.id, f"Regu {shift.name}", worked(times).values()))
    operators = asked.names(By.OPERATOR)
    for extension in sorted({*operators, *of_operators}):
        did = of_operators.get(extension, Work())
        lines.append(_work_line(extension, _name(operators, extension, ""), [did]))
    columns = (
        Column("Bicara", Unit.HOURS),
        Column("Menyelesaikan laporan", Unit.HOURS),
        Column("Bertugas", Unit.HOURS),
        Column("Okupansi", Unit.SHARE),
    )
    return Section("Beban kerja operator", "Operator", columns, tuple(lines))


def _work_line(code: str, name: str, all_work: Iterable[Work]) -> Line:
    all_work = tuple(all_work)
    total = Work(
        talking=sum(each.talking for each in all_work),
        wrap_up=sum(each.wrap_up for each in all_work),
        on_duty=sum(each.on_duty for each in all_work),
    )
    hours = (each / 3600 for each in (total.talking, total.wrap_up, total.on_duty))
    return Line(code, name, (*hours, total.occupancy), "tidak ada waktu bertugas")


def _agency_section(facts: PeriodFacts, asked: Asked) -> Section:
    names = {agency.id: agency.name for agency in asked.centre.agencies}
    several = {agency.id for agency in asked.centre.agencies if len(agency.ways) > 1}
    tries: list[Consult | PassedOver] = []
    for call in facts.calls:
        tries += [*call.consults, *call.passed_over]
    lines = []
    for code in ("", *sorted({each.agency for each in tries})):
        own = [each for each in tries if code in ("", each.agency)]
        name = _name(names, code, "Semua instansi")
        lines.append(_agency_line(code, name, own))
        contacts = sorted({each.contact for each in own}) if code else []
        if code in several or contacts not in ([], [1]):
            lines += [
                _agency_line(code, f"{name}, kontak {at}", [c for c in own if c.contact == at])
                for at in contacts
            ]
    columns = (
        Column("Dihubungi", Unit.TIMES),
        Column("Berdering", Unit.TIMES),
        Column("Dijawab", Unit.TIMES),
        Column("Menerima penelepon", Unit.TIMES),
        Column("Sibuk", Unit.TIMES),
        Column("Tidak diangkat", Unit.TIMES),
        Column("Ditolak", Unit.TIMES),
        Column("Tutup", Unit.TIMES),
        Column("Rata-rata sampai dijawab", Unit.SECONDS),
        Column("Sampai dijawab p90", Unit.SECONDS),
    )
    return Section("Instansi", "Instansi", columns, tuple(lines))


def _agency_line(code: str, name: str, tries: Sequence[Consult | PassedOver]) -> Line:
    its = agency_figures(
        (each for each in tries if isinstance(each, Consult)),
        (each for each in tries if isinstance(each, PassedOver)),
    )
    spread = its.to_answer
    outcomes = (its.answered, its.given, its.busy, its.unanswered, its.refused, its.closed)
    values = (its.consults, its.rung, *outcomes, spread.mean, spread.p90)
    return Line(code, name, values, NO_DATA if tries else "tidak ada permintaan")


def _call_back_section(facts: PeriodFacts, asked: Asked) -> Section:
    """By category whatever else was asked for: nobody had taken these calls."""
    names = asked.names(By.CATEGORY)
    lines = []
    for code in ("", *sorted({task.category or "" for task in facts.call_backs} - {""})):
        its = call_back_figures(t for t in facts.call_backs if code in ("", t.category))
        name = _name(names, code, asked.whole)
        outcomes = (its.reached, its.redialled, its.unreachable, its.closed, its.expired, its.open)
        values = (its.created, its.not_callable, *outcomes, its.to_reach.p50, its.to_reach.p90)
        lines.append(Line(code, name, values, NO_DATA if its.created else "tidak ada tugas"))
    columns = (
        Column("Dibuat", Unit.TIMES),
        Column("Nomor tidak bisa dipanggil", Unit.TIMES),
        Column("Terhubung", Unit.TIMES),
        Column("Menelepon lagi sendiri", Unit.TIMES),
        Column("Tidak terhubung", Unit.TIMES),
        Column("Ditutup petugas", Unit.TIMES),
        Column("Kedaluwarsa", Unit.TIMES),
        Column("Masih terbuka", Unit.TIMES),
        Column("Sampai terhubung p50", Unit.SECONDS),
        Column("Sampai terhubung p90", Unit.SECONDS),
    )
    return Section("Telepon balik", "Kategori", columns, tuple(lines))


def _outbound_section(facts: PeriodFacts, asked: Asked) -> Section:
    """By who dialled, whatever else was asked for."""
    names = asked.names(By.OPERATOR)
    lines = []
    for code in ("", *sorted({each.agent for each in facts.outbound})):
        its = outbound_figures(each for each in facts.outbound if code in ("", each.agent))
        refused = (its.refused[reason] for reason in REFUSALS)
        values = (its.dialled, its.let_out, its.answered, *refused)
        name = _name(names, code, asked.whole)
        lines.append(Line(code, name, values, NO_DATA if its.dialled else NO_CALLS))
    columns = (
        Column("Dicoba", Unit.TIMES),
        Column("Keluar", Unit.TIMES),
        Column("Dijawab", Unit.TIMES),
        *(Column(heading, Unit.TIMES) for heading in REFUSALS.values()),
    )
    return Section("Panggilan keluar petugas", "Petugas", columns, tuple(lines))


def _name(names: Mapping[str, str], code: str, unknown: str) -> str:
    return names.get(code, code) if code else unknown


def _plain(seconds: float) -> str:
    return f"{seconds:g}".replace(".", ",")
