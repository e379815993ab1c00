"""Recordings as evidence: sealed at rest, in a chain that shows any change, kept for their time.

Nothing here knows of calls in progress; the engine hands over what is finished.
"""

from __future__ import annotations

from typing import ClassVar

from ess_pbx.errors import EssPbxError


class EvidenceError(EssPbxError):
    """A recording, its key or its proof is not as it must be; the text says what and where."""

    code: ClassVar[str] = "evidence"
