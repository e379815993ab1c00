"""The set of malformed messages is that of RFC 4475, and the fuzzer's is the same for a seed."""

from __future__ import annotations

from ess_pbx.chaos.torture import mutations, torture

LARGEST_DATAGRAM = 65_507


def test_there_are_the_messages_of_rfc_4475() -> None:
    assert len(torture()) == 49
    assert all(0 < len(each) < LARGEST_DATAGRAM for each in torture().values())
    assert len(set(torture().values())) == 49


def test_mutations_are_repeatable_and_fit_a_datagram() -> None:
    some = list(mutations(300, seed=7))

    assert some == list(mutations(300, seed=7))
    assert some != list(mutations(300, seed=8))
    assert len(set(some)) > 290
    assert all(len(each) < LARGEST_DATAGRAM for each in some)
