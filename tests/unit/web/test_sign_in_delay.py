"""Guessing PINs takes years, and keeps nobody out who sits at their own desk."""

from __future__ import annotations

from ess_pbx.web.sign_in_delay import ACCOUNT, ADDRESS, FORGET, LONGEST, PAIR, SignInDelay

DESK, STRANGER = "10.0.0.7", "10.0.0.66"


def guess(delay: SignInDelay, account: str, address: str, seconds: float, since: float = 0) -> int:
    """How many tries a guesser gets who tries whenever it is allowed."""
    now, tries = since, 0
    while now < since + seconds:
        wait = delay.attempt(account, address, now)
        tries += wait == 0
        now += max(wait, 0.001)
    return tries


def guess_from_everywhere(delay: SignInDelay, account: str, seconds: int) -> int:
    """The same with a new address every second."""
    hosts = (f"10.1.{host // 250}.{host % 250}" for host in range(seconds))
    return sum(delay.attempt(account, host, float(now)) == 0 for now, host in enumerate(hosts))


def test_a_few_slips_cost_no_time() -> None:
    delay = SignInDelay()
    assert [delay.attempt("1001", DESK, 0.0) for _ in range(PAIR.free)] == [0.0] * PAIR.free
    assert delay.attempt("1001", DESK, 0.0) == 1.0


def test_each_wrong_try_doubles_the_wait_up_to_its_ceiling() -> None:
    assert [PAIR.seconds(n) for n in (2, 3, 4, 5)] == [0.0, 1.0, 2.0, 4.0]
    assert PAIR.seconds(1_000_000) == PAIR.ceiling


def test_one_address_gets_less_than_310_tries_a_day_at_an_account() -> None:
    # Half of all PINs of six digits take more than four years.
    assert guess(SignInDelay(), "1001", STRANGER, 86400) < 310


def test_many_addresses_together_get_little_more_than_the_accounts_ceiling_allows() -> None:
    assert guess_from_everywhere(SignInDelay(), "1001", 2000) < 2000 / ACCOUNT.ceiling + 20


def test_tries_made_at_once_do_not_pass_together() -> None:
    delay = SignInDelay()
    assert sum(delay.attempt("1001", STRANGER, 0.0) == 0 for _ in range(500)) == PAIR.free


def test_a_right_pin_forgets_the_wrong_ones() -> None:
    delay = SignInDelay()
    for _ in range(PAIR.free):
        delay.attempt("1001", DESK, 0.0)
    delay.succeeded("1001", DESK)
    assert delay.attempt("1001", DESK, 0.0) == 0.0


def test_an_operator_at_their_desk_signs_in_while_a_stranger_guesses_without_end() -> None:
    delay = SignInDelay()
    assert delay.attempt("1001", DESK, 0.0) == 0.0
    delay.succeeded("1001", DESK)
    guess_from_everywhere(delay, "1001", 3600)
    assert delay.attempt("1001", STRANGER, 3600.0) > 0
    assert delay.attempt("1001", DESK, 3600.0) == 0.0


def test_a_stranger_cannot_keep_a_new_desk_out_for_longer_than_the_accounts_ceiling() -> None:
    delay = SignInDelay()
    guess_from_everywhere(delay, "1001", 3600)
    assert 0 < delay.attempt("1001", DESK, 3600.0) <= ACCOUNT.ceiling


def test_guesses_at_many_accounts_delay_a_shared_address_by_seconds_only() -> None:
    delay = SignInDelay()
    for number in range(2000):
        delay.attempt(f"{number}", STRANGER, 0.0)
    assert 0 < delay.attempt("1002", STRANGER, 0.0) <= ADDRESS.ceiling


def test_a_right_pin_does_not_excuse_the_guesses_at_other_accounts() -> None:
    delay = SignInDelay()
    for number in range(ADDRESS.free):
        delay.attempt(f"{number}", STRANGER, 0.0)
    assert delay.attempt("1001", STRANGER, 10.0) == 0.0
    delay.succeeded("1001", STRANGER)
    assert delay.attempt("another", STRANGER, 10.0) > 0


def test_wrong_tries_are_forgotten_after_an_hour() -> None:
    delay = SignInDelay()
    guess(delay, "1001", STRANGER, 60)
    assert delay.attempt("1001", STRANGER, 61 + FORGET) == 0.0
    assert delay.attempt("1001", STRANGER, 61 + FORGET) == 0.0


def test_what_is_kept_of_guessers_has_an_end() -> None:
    delay = SignInDelay()
    for number in range(LONGEST):
        delay.attempt(f"{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        delay.succeeded(f"{number}", f"a{number}")
    delay.succeeded("last", DESK)
    assert len(delay._tries) <= LONGEST
    assert len(delay._known) <= LONGEST
