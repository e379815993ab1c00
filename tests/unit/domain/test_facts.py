"""A fact says what its kind promises; what differs is named."""

from __future__ import annotations

from ess_pbx.domain.facts import FIELDS, Fact, FactKind, fields_differ


def a_fact(kind: str, **data: str) -> Fact:
    return Fact(id="1", centre="contoh", call=None, kind=kind, at=0.0, ms=None, data=data)


def test_every_kind_says_its_fields() -> None:
    assert set(FIELDS) == set(FactKind)


def test_a_fact_with_its_fields_differs_in_nothing() -> None:
    assert fields_differ(a_fact(FactKind.NO_OPERATOR, queue="umum")) is None


def test_missing_and_unknown_fields_are_named() -> None:
    assert fields_differ(a_fact(FactKind.NO_OPERATOR, line="umum")) == (
        "no_operator: missing ['queue'], unknown ['line']"
    )


def test_a_kind_of_a_newer_engine_is_named_as_unknown() -> None:
    assert "'teleported' is unknown" in str(fields_differ(a_fact("teleported")))
