"""Whatever is appended, cut off and opened again: the journal is a prefix of what was given."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ess_pbx.domain.facts import Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.segments import decode, encode, list_segments

json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
facts = st.builds(
    Fact,
    id=st.text(),
    centre=st.text(max_size=5),
    call=st.none() | st.text(max_size=5),
    kind=st.sampled_from(FactKind).map(str) | st.text(max_size=5),
    at=st.floats(0, 4e9),
    ms=st.none() | st.integers(-(2**63), 2**63 - 1),
    data=st.dictionaries(st.text(), json, max_size=4),
)


@given(st.integers(1, 2**62), facts)
def test_a_line_says_what_the_fact_said_and_is_one_line(sequence: int, fact: Fact) -> None:
    line = encode(sequence, fact)
    assert line.count(b"\n") == 1
    read_sequence, read = decode(line[:-1])
    assert (read_sequence, encode(read_sequence, read)) == (sequence, line)


class JournalMachine(RuleBasedStateMachine):
    """Appends, restarts and cuts of the newest segment's tail, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.expected: list[Fact] = []
        self.count = 0

    @initialize(segment_bytes=st.sampled_from([1, 300, 10_000]))
    def open(self, segment_bytes: int) -> None:
        self.segment_bytes = segment_bytes
        self.journal = Journal(self.path, segment_bytes=segment_bytes)

    @rule(count=st.integers(1, 8), text=st.text(max_size=20))
    def append(self, count: int, text: str) -> None:
        for _ in range(count):
            self.count += 1
            fact = Fact(
                id=f"b-{self.count}", centre=text, call=None, kind="queued", at=1.0, ms=self.count
            )
            self.expected.append(fact)
            assert self.journal.append(fact) == len(self.expected)

    @rule()
    def restart(self) -> None:
        self.journal.close_now()
        self.journal = Journal(self.path, segment_bytes=self.segment_bytes)

    @rule(lost=st.integers(0, 400))
    def lose_the_tail(self, lost: int) -> None:
        self.journal.close_now()
        segments = list_segments(self.path)
        if segments:
            first, newest = segments[-1]
            with newest.open("rb+") as file:
                file.truncate(max(0, newest.stat().st_size - lost))
            self.expected = self.expected[: first - 1 + newest.read_bytes().count(b"\n")]
        self.journal = Journal(self.path, segment_bytes=self.segment_bytes)

    @rule(garbage=st.binary(max_size=40).filter(lambda data: b"\n" not in data))
    def gain_half_a_record(self, garbage: bytes) -> None:
        self.journal.close_now()
        segments = list_segments(self.path)
        if segments:
            with segments[-1][1].open("ab") as file:
                file.write(garbage)
        self.journal = Journal(self.path, segment_bytes=self.segment_bytes)

    @precondition(lambda self: hasattr(self, "journal"))
    @invariant()
    def is_what_was_given(self) -> None:
        durable = self.journal.durable
        read = list(self.journal.read())
        assert read == list(enumerate(self.expected, 1))[: len(read)]
        assert len(read) >= durable

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close_now()
            assert list(self.journal.read()) == list(enumerate(self.expected, 1))
        self.folder.cleanup()


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
