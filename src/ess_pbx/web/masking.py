"""What people see of callers who may not see their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ess_pbx.domain.effects import Role
from ess_pbx.domain.facts import JSON, Fact
from ess_pbx.log import masked
from ess_pbx.sip.numbers import mask_number

CALLERS = ("caller_raw", "caller_e164", "caller_display")


def masked_data(fact: Fact) -> Mapping[str, JSON]:
    """A fact's data with every caller's number masked, odd ones that look like none too."""
    data: dict[str, JSON] = dict(masked(fact.data))
    names = [*CALLERS, "party"] if fact.data.get("role") == Role.CALLER else CALLERS
    for name in names:
        value = fact.data.get(name)
        if isinstance(value, str):
            data[name] = mask_number(value)
    return data


def shown_number(number: str, *, whole: bool) -> str:
    """A caller's number, whole or masked."""
    return number if whole else mask_number(number)


def shown(document: Any, *, whole: bool) -> Any:
    """Any document, with its numbers whole or masked."""
    return document if whole else masked(document)
