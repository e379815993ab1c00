"""What a centre remembers comes back out of the journal, from the last checkpoint on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace
from tests.unit.domain.centre import CENTRE

from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Centre
from ess_pbx.domain.facts import JSON, Fact, FactKind
from ess_pbx.engine.journal import Journal
from ess_pbx.engine.recall import recall


class Keys:
    """Remembers every key that was ever pressed."""

    name = "keys"

    def __init__(self) -> None:
        self.pressed: list[JSON] = []

    def remember(self, kind: str, _: str | None, data: Mapping[str, JSON], at: float) -> None:
        if kind == FactKind.KEY_PRESSED:
            self.pressed.append([data["key"], at])

    def dump(self) -> JSON:
        return list(self.pressed)

    def load(self, state: JSON) -> None:
        assert isinstance(state, list)
        self.pressed = list(state)


def given_centre(config: Centre = CENTRE) -> tuple[CallCentre, Keys]:
    core, keys = CallCentre(config), Keys()
    core.memories = (keys,)
    return core, keys


def a_fact(number: int, kind: FactKind, data: Mapping[str, JSON], centre: str = "contoh") -> Fact:
    return Fact(
        id=f"b-{number}", centre=centre, call=None, kind=kind, at=float(number), ms=None, data=data
    )


def a_key(number: int, centre: str = "contoh") -> Fact:
    return a_fact(number, FactKind.KEY_PRESSED, {"key": str(number), "menu": None}, centre)


def given_journal(folder: Path, facts: list[Fact], segment_bytes: int = 300) -> Journal:
    journal = Journal(folder, segment_bytes=segment_bytes)
    for fact in facts:
        journal.append(fact)
        while journal.waiting:
            pass
    return journal


def checkpoint(number: int, pressed: list[JSON], centre: str = "contoh") -> Fact:
    return a_fact(number, FactKind.CHECKPOINT, {"memories": {"keys": pressed}}, centre)


def test_without_a_checkpoint_every_fact_of_the_centre_is_told(tmp_path: Path) -> None:
    core, keys = given_centre()
    journal = given_journal(tmp_path, [a_key(1), a_key(2, "lain"), a_key(3)])
    assert recall(journal, [core]) == 2
    journal.close_now()
    assert keys.pressed == [["1", 1.0], ["3", 3.0]]


def test_from_the_last_checkpoint_on_over_several_segments(tmp_path: Path) -> None:
    core, keys = given_centre()
    facts = [a_key(1), checkpoint(2, [["1", 1.0]]), a_key(3), checkpoint(4, [["x", 0.0]])]
    facts += [a_key(number) for number in range(5, 9)]
    facts.append(checkpoint(9, [["of another", 0.0]], "lain"))
    journal = given_journal(tmp_path, facts)
    assert recall(journal, [core]) == 5
    assert len(list(tmp_path.glob("facts-*"))) > 2
    journal.close_now()
    assert keys.pressed == [["x", 0.0], *([str(each), float(each)] for each in range(5, 9))]


def test_each_of_several_centres_recalls_its_own_facts_in_one_reading(tmp_path: Path) -> None:
    core, keys = given_centre()
    other, others_keys = given_centre(replace(CENTRE, id="lain"))
    new, new_keys = given_centre(replace(CENTRE, id="baru"))
    facts = [checkpoint(1, [["own", 0.0]]), a_key(2), checkpoint(3, [["other", 0.0]], "lain")]
    facts += [a_key(4, "lain"), a_key(5), a_key(6, "gone"), a_key(7, "baru")]
    journal = given_journal(tmp_path, facts)

    assert recall(journal, [core, other, new]) == 3 + 2 + 1

    journal.close_now()
    assert keys.pressed == [["own", 0.0], ["2", 2.0], ["5", 5.0]]
    assert others_keys.pressed == [["other", 0.0], ["4", 4.0]]
    assert new_keys.pressed == [["7", 7.0]]


def test_what_a_checkpoint_says_is_what_was_remembered() -> None:
    core, keys = given_centre()
    keys.pressed = [["1", 1.0]]
    fact = core.checkpoint()
    other, others_keys = given_centre()
    other.recall(a_fact(1, fact.kind, fact.data))
    assert others_keys.pressed == keys.pressed


def test_a_checkpoint_of_an_older_version_leaves_what_it_does_not_know() -> None:
    core, keys = given_centre()
    keys.pressed = [["1", 1.0]]
    core.recall(a_fact(1, FactKind.CHECKPOINT, {"memories": {"another": 1}}))
    assert keys.pressed == [["1", 1.0]]
