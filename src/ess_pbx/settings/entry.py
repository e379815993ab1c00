"""Which centre a call rings: by the trunk it comes over and the number it carries.

The engine decides by this (``ess_pbx.ari.translate``), and the dialplan that rings the phones
without an engine is rendered from it.
"""

from __future__ import annotations

from ess_pbx.settings.model import Asterisk, Settings, Trunk
from ess_pbx.sip.numbers import normalise_called


def home(settings: Settings, trunk: Trunk) -> str:
    """The centre whose calls come over a trunk unless their number says otherwise."""
    return trunk.centre or next(iter(trunk.centres.values()), settings.centres[0].id)


def rings(settings: Settings, trunk: Trunk) -> dict[str, str]:
    """The digits of each entry number of a trunk, and the centre it rings."""
    own = dict.fromkeys(trunk.entry_numbers, home(settings, trunk))
    return {normalise_called(number): centre for number, centre in (own | trunk.centres).items()}


def own_host(asterisk: Asterisk) -> str:
    """The address by which Asterisk reaches itself."""
    return "127.0.0.1" if asterisk.sip_host == "0.0.0.0" else asterisk.sip_host  # noqa: S104


def own_sip_address(asterisk: Asterisk) -> str:
    """Where Asterisk hears SIP, for itself: ``host:port``."""
    return f"{own_host(asterisk)}:{asterisk.sip_port}"


def trunks_of(settings: Settings, centre: str) -> list[Trunk]:
    """The trunks over which a centre can be reached."""
    return [
        trunk
        for trunk in settings.trunks
        if centre in (home(settings, trunk), *trunk.centres.values())
    ]


def numbers_of(settings: Settings, centre: str) -> list[str]:
    """The entry numbers of a centre over all trunks, as people write them."""
    numbers = {
        number
        for trunk in settings.trunks
        for number in (*trunk.entry_numbers, *trunk.centres)
        if rings(settings, trunk)[normalise_called(number)] == centre
    }
    return sorted(numbers)


class Entry:
    """Tells, for each call, which centre it rings; as quick for a thousand numbers as for one."""

    def __init__(self, settings: Settings) -> None:
        self._home = {trunk.id: home(settings, trunk) for trunk in settings.trunks}
        self._rings = {trunk.id: rings(settings, trunk) for trunk in settings.trunks}
        self._phones = {
            operator.extension: centre.id
            for centre in settings.centres
            for operator in centre.operators
        }
        self._first = settings.centres[0].id

    def rung(self, endpoint: str, called: str) -> tuple[str, bool]:
        """The centre that a call from a trunk or a phone rings, and whether it should.

        Whatever number it carries, a call rings a centre (docs/decisions/0008).
        """
        numbers = self._rings.get(endpoint)
        if numbers is None:
            return self._phones.get(endpoint, self._first), True
        centre = numbers.get(normalise_called(called))
        return centre or self._home[endpoint], centre is not None
