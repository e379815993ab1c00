import pytest

from ess_pbx.ari.backoff import Backoff


def test_delays_double_up_to_the_limit_when_chance_cuts_nothing() -> None:
    backoff = Backoff(first=0.1, limit=5.0, random=lambda: 0.0)

    delays = [backoff.next_delay() for _ in range(8)]

    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_chance_cuts_a_delay_by_half_at_most() -> None:
    backoff = Backoff(first=1.0, limit=1.0, random=lambda: 0.999_999)

    assert 0.5 <= backoff.next_delay() < 0.51


def test_success_begins_again_at_the_first_delay() -> None:
    backoff = Backoff(first=0.1, limit=5.0, random=lambda: 0.0)
    for _ in range(5):
        backoff.next_delay()

    backoff.reset()

    assert backoff.next_delay() == pytest.approx(0.1)


@pytest.mark.parametrize(("first", "limit"), [(0.0, 5.0), (6.0, 5.0)])
def test_delays_that_cannot_be_are_refused(first: float, limit: float) -> None:
    with pytest.raises(ValueError, match="first <= limit"):
        Backoff(first=first, limit=limit)
