"""What people ask for is done, refused or denied, and what was done is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cyclopts import App

from ess_pbx.cli import calls
from ess_pbx.control_commands import GROUPS
from ess_pbx.db.connect import create_engine
from ess_pbx.db.queries import audit_log
from ess_pbx.domain.events import AlarmChanged
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId
from ess_pbx.errors import ControlError
from ess_pbx.report_commands import reports

from .story import CALL, COLLEAGUE, NUMBER, OPERATOR, SUPERVISOR, Person, Service, centre_settings

BROKE = "tidak menjawab"
LATER, OTHER_NUMBER = CallId("ess1-1700000001.2"), "+6281234567891"
CommandLine = Callable[..., Awaitable[None]]


def given_on_break(service: Service, extension: str) -> None:
    service.given_present(OPERATOR, COLLEAGUE, SUPERVISOR)
    service.core.acd.seats[extension].on_break = BROKE


async def test_an_operator_ends_their_own_break(service: Service, operator: Person) -> None:
    given_on_break(service, OPERATOR)
    assert await operator.ask("POST", "/operators/1001/end-break") == (200, {"ok": True})
    status, view = await operator.ask("GET", "/operators/1001")
    assert (status, view["status"], view["on_break"]) == (200, "present", None)


async def test_an_operator_who_acts_for_another_is_denied_and_it_is_counted(
    service: Service, operator: Person, admin: Person
) -> None:
    given_on_break(service, COLLEAGUE)
    status, content = await operator.ask("POST", "/operators/1002/end-break")
    assert (status, content["code"]) == (403, "denied")
    assert content["expected"] == "agent 1001"
    assert service.core.acd.seats[COLLEAGUE].on_break == BROKE
    assert (await admin.ask("GET", "/access"))[1]["counts"]["denied"] == 1


async def test_a_supervisor_ends_anyones_break(service: Service, supervisor: Person) -> None:
    given_on_break(service, COLLEAGUE)
    assert (await supervisor.ask("POST", "/operators/1002/end-break"))[0] == 200
    assert service.core.acd.seats[COLLEAGUE].on_break is None


async def test_what_the_core_refuses_says_why(supervisor: Person) -> None:
    status, content = await supervisor.ask("POST", "/operators/9999/end-break")
    assert (status, content["code"]) == (404, "unknown-operator")
    assert "9999" in content["message"]


async def test_only_leaders_see_and_change_pranks(operator: Person, supervisor: Person) -> None:
    body = {"number": NUMBER, "reason": "iseng"}
    assert (await operator.ask("GET", "/pranks"))[0] == 403
    assert (await operator.ask("POST", "/pranks/confirm", body))[0] == 403
    assert (await supervisor.ask("GET", "/pranks"))[0] == 200


async def test_an_acknowledged_alarm_is_in_the_audit_log_with_who_did_it(
    service: Service, supervisor: Person
) -> None:
    service.given_present()
    service.engine.dispatcher.feed(AlarmChanged("roster", True, "baris 3"))
    assert (await supervisor.ask("POST", "/alarms/roster/acknowledge"))[0] == 200
    _, (alarm,) = await supervisor.ask("GET", "/alarms")
    assert (alarm["alarm"], alarm["acknowledged_by"]) == ("roster", SUPERVISOR)

    await service.engine.stored(5)
    database = create_engine(service.settings.database.url)
    try:
        (row,) = await audit_log(database, "contoh")
    finally:
        await database.dispose()
    assert (row["by"], row["via"], row["action"]) == (SUPERVISOR, "api", "alarm_acknowledged")
    assert row["subject"] == {"alarm": "roster"}


async def test_live_calls_are_told_with_the_number_masked_for_operators(
    service: Service, operator: Person, supervisor: Person
) -> None:
    service.when_a_call_arrives()
    _, (seen,) = await operator.ask("GET", "/calls")
    assert (seen["id"], seen["number"]) == (CALL, "+62812****90")
    assert seen["waiting"] >= 0
    _, (whole,) = await supervisor.ask("GET", "/calls")
    assert whole["number"] == NUMBER
    _, (centre,) = await operator.ask("GET", "/centres")
    assert (centre["id"], centre["waiting"]) == ("contoh", 1)


async def test_an_operator_marks_only_a_call_they_had(service: Service, operator: Person) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    path, body = f"/calls/{CALL}/mark", {"mark": "prank"}
    assert (await operator.ask("POST", path, body))[0] == 403
    assert service.when_it_is_answered() == OPERATOR
    assert await operator.ask("POST", path, body) == (200, {"ok": True})
    service.when_the_caller_hangs_up()
    assert (await operator.ask("POST", path, {"mark": "ghost"}))[0] == 200


async def test_what_is_not_there_cannot_be_ended(supervisor: Person) -> None:
    status, content = await supervisor.ask("POST", "/surge/end", {"reason": "aman"})
    assert (status, content["code"]) == (409, "not-in-surge")
    status, content = await supervisor.ask("POST", "/call-backs/x/close", {"reason": "sudah"})
    assert (status, content["code"]) == (404, "unknown-call-back")


async def test_surge_mode_is_declared_shown_and_ended(operator: Person, supervisor: Person) -> None:
    why = {"reason": "gempa"}
    assert (await operator.ask("POST", "/surge/declare", why))[0] == 403
    assert (await supervisor.ask("POST", "/surge/declare", why))[0] == 200
    _, surge = await operator.ask("GET", "/surge")
    assert surge["state"]["reason"] == "gempa"
    assert (await supervisor.ask("POST", "/surge/end", why))[0] == 200
    assert (await operator.ask("GET", "/surge"))[1]["state"] is None


async def test_an_alarm_of_the_wallboard_is_acknowledged_in_the_surge_not_among_the_others(
    service: Service, supervisor: Person
) -> None:
    alarm = "earthquake:20261122"
    data = {"alarm": alarm, "level": "full-screen", "title": "Gempa M7", "detail": "tsunami"}
    asked = {"by": "bmkg", "via": "system"}
    service.engine.dispatcher.record(None, FactKind.WALLBOARD_ALARM, {**data, **asked})
    assert service.core.surge.alarms[alarm].sounds
    path = f"/alarms/{alarm}/acknowledge"
    assert (await supervisor.ask("POST", path))[0] == 200
    assert not any(each.sounds for each in service.core.surge.alarms.values())
    assert (await supervisor.ask("POST", "/alarms/roster/acknowledge"))[0] == 404


async def test_pranks_are_marked_confirmed_shown_and_lifted(
    service: Service, operator: Person, supervisor: Person
) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    service.when_it_is_answered()
    body = {"mark": "prank", "note": "tertawa"}
    assert (await operator.ask("POST", f"/calls/{CALL}/mark", body))[0] == 200
    why = {"number": NUMBER, "reason": "tiga kali"}
    assert (await supervisor.ask("POST", "/pranks/confirm", why))[0] == 200

    _, (prank,) = await supervisor.ask("GET", "/pranks")
    assert (prank["centre"], prank["number"]) == ("contoh", NUMBER)
    (marked,) = prank["marked"]
    assert (marked["call"], marked["by"], marked["note"]) == (CALL, OPERATOR, "tertawa")
    confirmed = prank["confirmed"]
    assert (confirmed["by"], confirmed["via"]) == (SUPERVISOR, "api")
    assert confirmed["until"] > confirmed["at"]

    assert (await supervisor.ask("POST", "/pranks/lift", why))[0] == 200
    assert await supervisor.ask("GET", "/pranks") == (200, [])
    status, content = await supervisor.ask("POST", "/pranks/lift", why)
    assert (status, content["code"]) == (409, "not-confirmed")


async def test_who_left_in_vain_is_shown_called_back_and_closed(
    service: Service, operator: Person, supervisor: Person
) -> None:
    service.when_a_call_arrives()
    service.when_the_caller_hangs_up()
    _, (task,) = await supervisor.ask("GET", "/call-backs")
    assert (task["id"], task["caller_e164"], task["why"]) == (CALL, NUMBER, "abandoned")
    _, (masked,) = await operator.ask("GET", "/call-backs")
    assert (masked["id"], masked["caller_e164"]) == (CALL, "+62812****90")

    service.given_present(OPERATOR)
    path = f"/call-backs/{CALL}"
    assert (await operator.ask("POST", f"{path}/now", {"agent": COLLEAGUE}))[0] == 403
    assert (await operator.ask("POST", f"{path}/now", {"agent": OPERATOR}))[0] == 200
    _, (call,) = await operator.ask("GET", "/calls")
    assert call["offered_to"] == [OPERATOR]
    status, content = await supervisor.ask("POST", f"{path}/now", {})
    assert (status, content["code"]) == (409, "already-calling")

    assert (await supervisor.ask("POST", f"{path}/close", {"reason": "sudah"}))[0] == 200
    assert await supervisor.ask("GET", "/call-backs") == (200, [])


async def test_an_operator_logs_out_and_in_and_takes_a_break(
    service: Service, operator: Person
) -> None:
    service.given_present(OPERATOR)
    rest = {"reason": "makan"}
    steps: list[tuple[str, Any, str]] = [
        ("log-out", None, "logged-out"),
        ("log-in", None, "present"),
        ("break", rest, "break"),
        ("end-break", None, "present"),
    ]
    for what, body, status in steps:
        assert (await operator.ask("POST", f"/operators/1001/{what}", body))[0] == 200, what
        _, view = await operator.ask("GET", "/operators/1001")
        assert view["status"] == status, what
    answer, content = await operator.ask("POST", "/operators/1001/break", {"reason": "bosan"})
    assert (answer, content["code"]) == (422, "unknown-reason")
    assert "makan" in content["message"]


async def test_an_operator_ends_their_wrap_up(service: Service, operator: Person) -> None:
    service.given_present(OPERATOR)
    service.when_a_call_arrives()
    service.when_it_is_answered()
    service.when_the_caller_hangs_up()
    assert (await operator.ask("GET", "/operators/1001"))[1]["state"] == "wrap-up"
    assert (await operator.ask("POST", "/operators/1001/end-wrap-up"))[0] == 200
    assert (await operator.ask("GET", "/operators/1001"))[1]["state"] == "idle"


def _run(app: App, words: list[str]) -> object:
    return app(words, result_action="return_value")


@pytest.fixture
def command_line(service: Service, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line of this service: its own threads, the real control socket."""
    monkeypatch.setattr("ess_pbx.asking.load_settings", lambda _: service.settings)
    monkeypatch.setattr("ess_pbx.asking.run", asyncio.run)

    async def ask(*words: str) -> None:
        group, command, *rest = words
        (app,) = [each for each in (*GROUPS, calls, reports) if group in each.name]
        assert await asyncio.to_thread(_run, app, [command, "centre.toml", *rest]) == 0

    return ask


async def test_the_command_line_does_what_the_api_does(
    service: Service, command_line: CommandLine
) -> None:
    service.given_present(OPERATOR)
    seat = service.core.acd.seats[OPERATOR]
    await command_line("agents", "log-out", "1001")
    assert not seat.logged_in
    await command_line("agents", "log-in", "1001")
    await command_line("agents", "break", "1001", "--reason", "makan")
    assert seat.on_break == "makan"
    await command_line("agents", "end-break", "1001")
    service.when_a_call_arrives()
    service.when_it_is_answered()
    await command_line("calls", "mark", CALL, "prank", "--note", "tertawa")
    await command_line("pranks", "confirm", NUMBER, "--reason", "tiga kali")
    assert service.core.callers.confirmed(NUMBER) is not None
    await command_line("pranks", "lift", NUMBER, "--reason", "keliru")
    assert service.core.callers.confirmed(NUMBER) is None
    service.when_the_caller_hangs_up()
    await command_line("agents", "end-wrap-up", "1001")
    assert seat.free

    service.when_a_call_arrives(LATER, OTHER_NUMBER)
    service.when_the_caller_hangs_up(LATER)
    await command_line("call-backs", "now", LATER, "--agent", "1001")
    assert seat.call in service.core.calls
    await command_line("call-backs", "close", LATER, "--reason", "sudah")
    assert service.core.call_backs.open == {}
    for group in ("agents", "pranks", "call-backs", "alarms"):
        await command_line(group, "list")


async def test_the_control_socket_is_the_services_own_users_and_asks_no_password(
    service: Service,
) -> None:
    path = service.control.path
    assert path.stat().st_mode & 0o777 == 0o600
    given_on_break(service, COLLEAGUE)
    assert await service.control.ask("POST", "/operators/1002/end-break") == {"ok": True}
    who = await service.control.ask("GET", "/session")
    assert (who["role"], who["expires"]) == ("admin", None)
    service.engine.dispatcher.feed(AlarmChanged("roster", True, "x"))
    await service.control.ask("POST", "/alarms/roster/acknowledge")
    assert service.core.alarms.standing["roster"].acknowledged_by == who["account"]


async def test_a_control_socket_under_a_long_path_works_too(tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("x" * 100)
    service = Service(centre_settings(folder / "state"))
    await service.start()
    try:
        assert len(str(service.control.path)) > 107
        assert (await service.control.ask("GET", "/session"))["role"] == "admin"
    finally:
        await service.stop()


async def test_a_service_that_does_not_run_is_named_with_what_to_do(service: Service) -> None:
    await service.stop()
    with pytest.raises(ControlError, match=r"does not run.*ess-pbx serve"):
        await service.control.ask("GET", "/calls")


async def test_an_alarm_that_the_engine_raises_by_itself_stands_until_it_clears_it(
    service: Service,
) -> None:
    for kind, standing in ((FactKind.ALARM_RAISED, 1), (FactKind.ALARM_CLEARED, 0)):
        data = {"alarm": "recording-not-sealed", "detail": "disk"}
        service.engine.dispatcher.record(None, kind, data)
        assert len(await service.control.ask("GET", "/alarms")) == standing


async def test_a_report_is_written_from_the_command_line(
    service: Service, command_line: CommandLine
) -> None:
    service.when_a_call_arrives()
    place = ("--category", "medis", "--place", "Pasar Sumur", "--answer", "sadar=tidak")
    await command_line("reports", "open", "--call", CALL, *place)
    (report,) = service.core.incidents.open.values()
    assert report.calls == (CALL,)
    await command_line("reports", "save", report.number, "--victims", "1")
    await command_line("reports", "step", report.number, "psc-119", "berangkat")
    await command_line("reports", "close", report.number, "--outcome", "dibawa ke RSUD")
    await service.engine.stored(10)
    service.core.incidents.open.clear()
    await command_line("reports", "list", "--caller", NUMBER)
    await command_line("reports", "show", report.number)
    await command_line("reports", "reopen", report.number, "--reason", "pasien kedua")
    (report,) = service.core.incidents.open.values()
    assert (report.fields.victims, report.closed_at) == (1, None)
    assert list(report.agencies) == ["psc-119"]
