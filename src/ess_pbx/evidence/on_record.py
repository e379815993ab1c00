"""The manifest held against the journal, which was told of every recording that was sealed.

A manifest proves what it has. That its newest entries were not cut off together with their head,
or all of it emptied, only somebody else can say: the journal, or whoever was given a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ess_pbx.domain.facts import Fact
from ess_pbx.evidence.archive import Kept


def lacking(kept: Mapping[str, Kept], sealed: Iterable[Fact]) -> list[str]:
    """What facts of kind ``recording_sealed`` say that the manifest does not; a line for each."""
    found = {}
    for fact in sealed:
        data = fact.data
        recording, entry, digest = (data.get(name) for name in ("recording", "entry", "sha256"))
        stored = None if (one := kept.get(str(recording))) is None else one.stored
        said = f"{recording}: the journal has it as entry {entry} with SHA-256 {digest}"
        if stored is None:
            found[said] = f"{said}; the manifest has no such recording: it was cut off"
        elif (stored.seq, stored.sha256) != (entry, digest):
            found[said] = (
                f"{said}; the manifest as entry {stored.seq} with {stored.sha256}: it was made anew"
            )
    return list(found.values())
