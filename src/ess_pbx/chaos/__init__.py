"""Faults injected into a real Asterisk, engine and PostgreSQL under load, and what callers notice.

Every row is judged from outside: by what SIPp's callers and the operators' phones saw and heard,
and afterwards by the database.
"""

from __future__ import annotations

from typing import ClassVar

from ess_pbx.errors import EssPbxError


class ChaosError(EssPbxError):
    """A fault could not be injected or measured as it must, so nothing can be said of it."""

    code: ClassVar[str] = "chaos"
