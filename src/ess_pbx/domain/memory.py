"""What a centre remembers beyond its calls: who is logged in, whom to call back, what goes on.

Such a memory changes by facts alone. The core lets it see each fact as it is decided; after a
restart the engine tells the same facts again out of the journal, from the last checkpoint on
(``engine.recall``), and it is what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ess_pbx.domain.facts import JSON


class Memory(Protocol):
    """One thing that a centre remembers."""

    name: str
    """Its key in a checkpoint; never changed once released."""

    def remember(self, kind: str, call: str | None, data: Mapping[str, JSON], at: float, /) -> None:
        """A fact was decided at ``at`` (epoch seconds); kinds that mean nothing here are passed."""

    def dump(self) -> JSON:
        """All of it, for a checkpoint."""

    def load(self, state: JSON) -> None:
        """Take over what ``dump`` gave, by this version or an older one."""
