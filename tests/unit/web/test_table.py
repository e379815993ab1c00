"""Every command can be asked for over the API, by those who may, and the table says all of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
import pytest

from ess_pbx.domain import commands, hand_overs, incidents
from ess_pbx.domain.commands import Command
from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.web.accounts import Account, Role
from ess_pbx.web.had_calls import HadCalls
from ess_pbx.web.models import PARAMETERS
from ess_pbx.web.openapi import document
from ess_pbx.web.permission import may_not, not_own
from ess_pbx.web.table import ANYBODY, LEADERS, PREFIX, TABLE, Row

ASKED = [row for row in TABLE if row.command is not None]
OPERATOR = Account("1001", Role.OPERATOR, "contoh")
SUPERVISOR = Account("3001", Role.SUPERVISOR, "contoh")
ADMIN = Account("admin", Role.ADMIN, "")


def named(row: Row) -> str:
    return row.name


def values(row: Row) -> dict[str, str]:
    """Somebody else's of everything."""
    return dict.fromkeys((*row.parameters, *row.body.__struct_fields__), "9999")


def had(*calls: str) -> HadCalls:
    known = HadCalls()
    for call in calls:
        data = {"agent": "1001", "leg": f"{call}~op1"}
        kind = FactKind.OPERATOR_ANSWERED
        known(Fact(id="1", centre="contoh", call=call, kind=kind, at=0.0, ms=None, data=data))
    return known


def test_every_command_has_one_row() -> None:
    named = [each for module in (commands, incidents, hand_overs) for each in vars(module).values()]
    known = {each for each in named if isinstance(each, type)}
    wanted = {each for each in known if issubclass(each, Command) and each is not Command}
    assert [row.command for row in ASKED].count(None) == 0
    assert sorted(str(row.command) for row in ASKED) == sorted(map(str, wanted))


@pytest.mark.parametrize("row", ASKED, ids=named)
def test_path_and_body_together_are_the_commands_fields(row: Row) -> None:
    assert row.command is not None
    given = [*row.parameters, *row.body.__struct_fields__]
    names = {each.name for each in fields(row.command)}
    assert sorted(given) == sorted(names - {"by", "centre"})


def test_each_row_does_one_thing_under_a_path_of_its_own() -> None:
    assert all((row.command is None) is not (row.does is None) for row in TABLE)
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert all(name in PARAMETERS for row in TABLE for name in row.parameters)


def test_only_signing_in_and_the_documentation_are_anybodys() -> None:
    assert [row.name for row in TABLE if row.roles == ANYBODY] == [
        "POST /session",
        "GET /openapi.json",
    ]


@pytest.mark.parametrize("row", ASKED, ids=named)
def test_an_operator_asks_for_nothing_but_their_own(row: Row) -> None:
    if row.roles == LEADERS:
        assert may_not(row, OPERATOR, "contoh") is not None
    elif row.path.startswith("/reports"):
        assert (may_not(row, OPERATOR, None), row.own) == (None, None), "they write them together"
        assert may_not(row, OPERATOR, "tetangga") is not None
    else:
        assert may_not(row, OPERATOR, "contoh") is None
        assert row.own is not None
        assert not_own(row, OPERATOR, values(row), had("1")) is not None


@pytest.mark.parametrize("row", ASKED, ids=named)
def test_a_supervisor_asks_for_anyone_of_their_centre_alone(row: Row) -> None:
    assert may_not(row, SUPERVISOR, "contoh") is None
    assert not_own(row, SUPERVISOR, values(row), had()) is None
    assert may_not(row, SUPERVISOR, "tetangga") is not None


@pytest.mark.parametrize("row", [row for row in TABLE if row.roles], ids=named)
def test_the_administrator_may_do_all_everywhere(row: Row) -> None:
    assert may_not(row, ADMIN, "contoh") is None
    assert not_own(row, ADMIN, values(row), had()) is None


def test_an_operator_may_do_for_themselves_what_is_theirs() -> None:
    own = [row for row in ASKED if row.own == "agent"]
    assert len(own) == 6
    for row in own:
        assert not_own(row, OPERATOR, {**values(row), "agent": "1001"}, had()) is None


def test_an_operator_marks_the_calls_they_had_during_them_and_after() -> None:
    row, *others = [row for row in ASKED if row.own == "call"]
    assert {each.path for each in TABLE if each.own == "call"} - {row.path} == {
        "/calls/{call}/history",
        *(each.path for each in others),
    }
    known = had("ess1-1.1")
    assert not_own(row, OPERATOR, {"call": "ess1-1.1"}, known) is None
    assert not_own(row, OPERATOR, {"call": "ess1-1.2"}, known) is not None
    another = Account("1002", Role.OPERATOR, "contoh")
    assert not_own(row, another, {"call": "ess1-1.1"}, known) is not None


def test_the_openapi_document_has_every_row_with_its_models() -> None:
    made = document("1.0")
    content = msgspec.json.decode(msgspec.json.encode(made))
    operations = {
        f"{method.upper()} {path}" for path, each in content["paths"].items() for method in each
    }
    assert {f"{row.method} {PREFIX}{row.path}" for row in TABLE} <= operations
    mark = content["paths"]["/api/v1/calls/{call}/mark"]["post"]
    body = mark["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/MarkBody"}
    assert mark["parameters"][0]["schema"]["pattern"]
    assert content["components"]["schemas"]["MarkBody"]["required"] == ["mark"]
    save = content["paths"]["/api/v1/reports/{report}/save"]["post"]["responses"]
    assert save["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/ConflictError")
    assert references(content) <= set(content["components"]["schemas"])


def references(content: Any) -> set[str]:
    """The names of all schemas that are referred to."""
    if isinstance(content, dict):
        own = {content["$ref"].rpartition("/")[2]} if "$ref" in content else set()
        return own.union(*map(references, content.values()))
    return set().union(*map(references, content)) if isinstance(content, list) else set()
