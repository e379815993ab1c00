"""A token is good until it is unused, old, ended, or its PIN is changed; only its hash is kept."""

from __future__ import annotations

from pathlib import Path

from ess_pbx.web.sessions import FILE_NAME, MOST_OF_ONE, Sessions


def given(idle: float = 100.0, longest: float = 1000.0) -> Sessions:
    return Sessions(idle, longest)


def test_a_token_stands_for_who_signed_in() -> None:
    sessions = given()
    token = sessions.begin("1001", "f", 0.0)
    session = sessions.use(token, 1.0)
    assert session is not None
    assert session.account == "1001"
    assert sessions.use(token[:-1], 1.0) is None
    assert sessions.use("", 1.0) is None
    assert sessions.use("\udc80", 1.0) is None


def test_tokens_hold_256_bits_and_are_never_the_same() -> None:
    sessions = given()
    tokens = {sessions.begin("1001", "f", float(n)) for n in range(50)}
    assert len(tokens) == 50
    assert all(len(token) == 43 for token in tokens)


def test_one_that_is_not_used_is_over() -> None:
    sessions = given()
    token = sessions.begin("1001", "f", 0.0)
    assert sessions.use(token, 99.0) is not None
    assert sessions.use(token, 198.0) is not None
    assert sessions.use(token, 298.0) is None
    assert len(sessions) == 0


def test_one_that_is_used_is_over_all_the_same_after_the_longest_time() -> None:
    sessions = given()
    token = sessions.begin("1001", "f", 0.0)
    assert all(sessions.use(token, float(now)) for now in range(0, 1000, 50))
    assert sessions.use(token, 1000.0) is None


def test_signing_out_ends_it() -> None:
    sessions = given()
    token = sessions.begin("1001", "f", 0.0)
    assert sessions.end(token)
    assert sessions.use(token, 1.0) is None
    assert not sessions.end(token)


def test_an_account_has_so_many_sign_ins_and_loses_the_one_used_longest_ago() -> None:
    sessions = given(idle=1000)
    first, second = sessions.begin("1001", "f", 0.0), sessions.begin("1001", "f", 1.0)
    sessions.use(first, 2.0)
    for n in range(MOST_OF_ONE - 1):
        sessions.begin("1001", "f", 3.0 + n)
    assert sessions.use(first, 50.0) is not None
    assert sessions.use(second, 50.0) is None
    assert len(sessions) == MOST_OF_ONE


def test_sign_ins_outlive_the_engine_and_the_file_holds_no_token(tmp_path: Path) -> None:
    before = given()
    token = before.begin("1001", "f", 0.0)
    before.save(tmp_path, before.text())
    text = (tmp_path / FILE_NAME).read_text()
    assert token not in text
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600

    after = given()
    after.load(tmp_path, 50.0)
    assert after.use(token, 50.0) is not None
    late = given()
    late.load(tmp_path, 100.0)
    assert len(late) == 0


def test_a_file_that_cannot_be_read_costs_sign_ins_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    sessions = given()
    sessions.load(tmp_path, 0.0)
    assert len(sessions) == 0
    sessions.save(tmp_path / "gone", sessions.text())
