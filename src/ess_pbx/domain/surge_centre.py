"""What surge mode makes of a centre: the same settings, with those it changes replaced.

A call is decided by the centre as it is at the moment; so nothing of a call need know of surges.
"""

from __future__ import annotations

from msgspec.structs import replace

from ess_pbx.domain.config import Centre, Choice, Menu, QueueKey, Surge
from ess_pbx.domain.surge import SurgeState

MENU = "_siaga"
"""The menu in which callers are asked for their own need; no settings file can name one so."""
ASKING_TIMEOUT = 4.0


def with_surge_menu(centre: Centre) -> Centre:
    """The centre outside a surge, with the menu that callers of the last one may still be in."""
    return replace(centre, menus={**centre.menus, MENU: _menu(centre)})


def in_surge(centre: Centre, state: SurgeState | None) -> Centre:
    """The centre as callers meet it while ``state`` is so."""
    usual = with_surge_menu(centre)
    if state is None:
        return usual
    surge = centre.surge
    changed = usual
    if surge.announce:
        # One remembered from other settings may not have been recorded: it would be silence.
        known = state.prompt in spoken(surge)
        changed = replace(changed, greeting=state.prompt if known else surge.prompt)
    if surge.ask_own_need == "no":
        return changed
    return replace(changed, first_menu=MENU, queue_keys=_queue_keys(centre))


def spoken(surge: Surge) -> tuple[str, ...]:
    """Every prompt that surge mode can play."""
    announced: tuple[str, ...] = ()
    if surge.announce:
        announced = (surge.prompt, surge.earthquake_prompt, surge.tsunami_prompt, *surge.prompts)
    asked = () if surge.ask_own_need == "no" else (surge.need_prompt,)
    informed = surge.information if surge.ask_own_need == "inform" else ()
    called = () if surge.call_in_trunk is None else (surge.call_in_prompt,)
    return (*announced, *asked, *informed, *called)


def _menu(centre: Centre) -> Menu:
    """One question; keys of the first menu that callers know by heart go on working.

    Pressing nothing is an answer too, and never ends the call.
    """
    surge = centre.surge
    known = {} if centre.first_menu is None else centre.menus[centre.first_menu].keys
    informed = surge.information if surge.ask_own_need == "inform" else ()
    own = Choice(category=surge.category, priority=surge.need_priority)
    others = Choice(category=surge.category, priority=surge.other_priority, information=informed)
    return Menu(
        prompts=(surge.need_prompt,),
        keys={**known, surge.need_key: own},
        otherwise=others,
        timeout=ASKING_TIMEOUT,
    )


def _queue_keys(centre: Centre) -> dict[str, QueueKey]:
    """Who could not press in time may still say so while waiting."""
    surge = centre.surge
    usual = centre.queue_keys.get(surge.need_key, QueueKey())
    own = replace(usual, priority=max(surge.need_priority, usual.priority or 0))
    return {**centre.queue_keys, surge.need_key: own}
