"""What people ask of a centre, by API, command line or phone: each is decided like any event.

Whoever may ask for what is settled before (``ess_pbx.web``, feature codes); the core decides what
it means now. A command that cannot be carried out comes back as ``effects.Refused``. What is done
is on record with who asked: facts with ``by`` and ``via`` are the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ess_pbx.domain.events import CentreEvent


class Via(StrEnum):
    """The way a command came."""

    API = "api"
    CLI = "cli"
    PHONE = "phone"
    SYSTEM = "system"
    """Nobody asked: a rule of the centre, such as too many missed offers."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: an extension, the administrator's account name, or the rule's name."""

    name: str
    via: Via

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a fact that belongs in the audit log."""
        return {"by": self.name, "via": str(self.via)}


@dataclass(frozen=True, slots=True)
class Command(CentreEvent):
    """Something that a person wants done."""

    by: Asker


@dataclass(frozen=True, slots=True)
class EndBreak(Command):
    """An operator who is on break takes calls again."""

    agent: str
