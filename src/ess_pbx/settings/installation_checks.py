"""Holds what an installation says of itself, and its centres, against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from ess_pbx.settings.agency_checks import check_contact_trunks
from ess_pbx.settings.checks import CentreChecks, SettingsFile
from ess_pbx.settings.model import (
    LEAST_RTP_PORTS,
    LEGS_AN_OPERATOR,
    RTP_PORTS_A_LEG,
    Asterisk,
    Database,
    Folders,
    Metrics,
    Recordings,
    Trunk,
    Web,
    Webhook,
)
from ess_pbx.settings.neighbour_checks import check_neighbours_trunks
from ess_pbx.settings.outbound_checks import check_outbound
from ess_pbx.settings.places import expand_database, place_folders, place_keys, place_token
from ess_pbx.settings.reading import INVALID, shown
from ess_pbx.settings.synthetic_checks import check_synthetic
from ess_pbx.settings.toml_lines import Path as FieldPath
from ess_pbx.settings.webhook_checks import check_webhooks
from ess_pbx.sip.numbers import normalise_called

_TEMPLATE_SECTIONS = frozenset(
    {"system", "global", "udp", "trunk", "phone", "agencies", "udp-uji", "uji", "uji-keluar"}
)


class InstallationChecks:
    """Holds Asterisk, folders, trunks and several centres against each other.

    ``whole`` says that every file of a centre could be read; until then nothing is missed in it.
    """

    def __init__(
        self, file: SettingsFile, centres: Sequence[CentreChecks], *, whole: bool = True
    ) -> None:
        self.file = file
        self.centres = centres
        self.whole = whole
        named = file.values["centres"]
        self.several = named is not INVALID and len(named) > 1
        self.folders: Folders | None = None
        self.database = Database()
        self.recordings = Recordings()
        self.metrics = Metrics()
        self.webhooks: tuple[Webhook, ...] = ()

    def run(self) -> None:
        """Check all, the centres too, leaving what was found in the attributes."""
        values, problems, base = self.file.values, self.file.problems, self.file.base
        if values["metrics"] is not INVALID:
            self.metrics = place_token(values["metrics"], base, problems)
        if values["folders"] is not INVALID:
            self.folders = place_folders(values["folders"], base, problems)
            if values["recordings"] is not INVALID:
                self.recordings = place_keys(values["recordings"], self.folders, base, problems)
            if values["database"] is not INVALID:
                state, url = self.folders.state, values["database"].url
                self.database = expand_database(url, state, base, problems)
        self.webhooks = tuple(check_webhooks(self.file))
        for centre in self.centres:
            centre.run(None if self.folders is None else self.folders.prompts)
        for centre in self.centres:
            check_contact_trunks(centre.file.each, self.file.names("trunks"), centre.problems)
            check_neighbours_trunks(centre.file.each, self.file.names("trunks"), centre.problems)
        self._trunks()
        self._numbers()
        self._centres_of_trunks()
        self._trunks_of_centres()
        self._apart()
        check_synthetic(self.file, self.centres)
        if values["asterisk"] is not INVALID:
            self._ports(values["asterisk"])
            if values["web"] is not INVALID:
                self._web(values["web"], values["asterisk"])

    def _trunks(self) -> None:
        file = self.file
        file.unique("trunks")
        extensions = {name for each in self.centres for name in _extensions(each)}
        addresses: dict[tuple[str, int], str] = {}
        for at, trunk in file.each("trunks"):
            other_trunk = addresses.setdefault((trunk.address, trunk.port), trunk.id)
            if other_trunk != trunk.id:
                file.problems.add(
                    ("trunks", at, "port"),
                    f"{trunk.address}:{trunk.port} as trunk {other_trunk}",
                    "an address and port of its own, by which its calls are told apart",
                )
            if not trunk.codecs or len(set(trunk.codecs)) < len(trunk.codecs):
                found = ", ".join(trunk.codecs) or "none"
                file.problems.add(("trunks", at, "codecs"), found, "one codec or more, each once")
            # Both name a section of pjsip.conf.
            if trunk.id in extensions or trunk.id in _TEMPLATE_SECTIONS:
                file.problems.add(
                    ("trunks", at, "id"), shown(trunk.id), "not an extension nor a reserved name"
                )
        if not file.raw.get("trunks"):
            file.warnings.add(("trunks",), "no trunk", "one, for calls to come in")

    def _numbers(self) -> None:
        """Hold what can be dialled apart: entry numbers, extensions, agencies' codes."""
        entries: set[str] = set()
        for at, trunk in self.file.each("trunks"):
            of_trunk: set[str] = set()
            for path, number in _numbers(trunk):
                digits = normalise_called(number)
                if digits in of_trunk:
                    found = f"{shown(number)} again"
                    self.file.problems.add(("trunks", at, *path), found, "each number once")
                of_trunk.add(digits)
            if not of_trunk:
                path = ("trunks", at, "entry_numbers")
                self.file.problems.add(path, "none", "one number or more")
            entries |= of_trunk
        for centre in self.centres:
            for section, field in (("operators", "extension"), ("agencies", "code")):
                for at, element in centre.file.each(section):
                    name = getattr(element, field)
                    if name in entries:
                        found = f"{shown(name)}, also an entry number"
                        path = (section, at, field)
                        centre.problems.add(path, found, "one that means nothing else")

    def _centres_of_trunks(self) -> None:
        """Hold the centres that trunks name against those there are."""
        ids = [each.id for each in self.centres if each.id is not None]
        listed = ", ".join(ids)
        reached: set[str | None] = set()
        for at, trunk in self.file.each("trunks"):
            if trunk.centre is None and trunk.entry_numbers and self.several:
                expected = f"the id of the centre that its entry numbers ring ({listed})"
                self.file.problems.add(("trunks", at, "centre"), "missing", expected)
            named: dict[FieldPath, str] = {
                ("trunks", at, "centres", number): centre
                for number, centre in trunk.centres.items()
            }
            if trunk.centre is not None:
                named["trunks", at, "centre"] = trunk.centre
            for path, centre in named.items() if self.whole else ():
                self.file.known(path, centre, ids, "the id of a centre")
            reached.update(trunk.centres.values(), [trunk.centre] if trunk.entry_numbers else [])
        for each in self.centres if self.several else ():
            if each.id is not None and each.id not in reached:
                found = f"{shown(each.id)}, which no trunk has an entry number of"
                each.warnings.add(("centre", "id"), found, "one, for calls to come in")

    def _trunks_of_centres(self) -> None:
        """Hold the trunks that centres name against those there are."""
        trunks = self.file.names("trunks")
        for each in self.centres:
            if self.whole:
                check_outbound(each.file.values["outbound"], trunks, each.problems)
            surge = each.file.values["surge"]
            if surge is INVALID:
                continue
            if surge.call_in_trunk is not None and self.whole:
                if surge.call_in_trunk not in trunks:
                    each.problems.add(
                        ("surge", "call_in_trunk"),
                        shown(surge.call_in_trunk),
                        f"the id of a trunk ({', '.join(trunks) or 'there are none'})",
                    )
                continue
            for at, operator in each.file.each("operators"):
                if operator.phone is not None and surge.call_in:
                    each.warnings.add(
                        ("operators", at, "phone"),
                        f"{shown(operator.phone)}, which nothing rings",
                        "[surge] call_in_trunk, to be called in over",
                    )
                    break

    def _apart(self) -> None:
        """Hold the centres apart: by their ids, and by the extensions of their operators."""
        ids: dict[str, str] = {}
        extensions: dict[str, str] = {}
        for each in self.centres:
            file = each.problems.file
            if each.id is not None and ids.setdefault(each.id, file) != file:
                found = f"{shown(each.id)} as in {ids[each.id]}"
                each.problems.add(("centre", "id"), found, "an id of its own")
            for at, operator in each.file.each("operators"):
                other = extensions.setdefault(operator.extension, file)
                if other != file:
                    # Both would be the same account at the one Asterisk.
                    found = f"{shown(operator.extension)} as in {other}"
                    expected = "an extension that no centre of the installation has"
                    each.problems.add(("operators", at, "extension"), found, expected)

    def _ports(self, asterisk: Asterisk) -> None:
        first, last = asterisk.rtp_first, asterisk.rtp_last
        if first % 2:
            self.file.problems.add(("asterisk", "rtp_first"), str(first), "an even port")
        if last - first + 1 < LEAST_RTP_PORTS:
            self.file.problems.add(
                ("asterisk", "rtp_last"),
                str(last),
                f"{first + LEAST_RTP_PORTS - 1} or above: at least {LEAST_RTP_PORTS} ports",
            )
        operators = sum(len(list(each.file.each("operators"))) for each in self.centres)
        wanted = RTP_PORTS_A_LEG * LEGS_AN_OPERATOR * operators
        if LEAST_RTP_PORTS <= last - first + 1 < wanted:
            self.file.warnings.add(
                ("asterisk", "rtp_last"),
                f"{last}, {last - first + 1} ports for {operators} operators",
                f"{first + wanted - 1} or above: who calls when no port is free is refused",
            )
        for name, port in (("sip_port", asterisk.sip_port), ("ari_port", asterisk.ari_port)):
            if first <= port <= last:
                self.file.problems.add(
                    ("asterisk", name), str(port), f"outside RTP's {first} to {last}"
                )
        if asterisk.sip_port == asterisk.ari_port:
            self.file.problems.add(
                ("asterisk", "ari_port"), f"{asterisk.ari_port} as sip_port", "a port of its own"
            )
        if not ip_address(asterisk.ari_host).is_loopback:
            self.file.warnings.add(
                ("asterisk", "ari_host"),
                f"{asterisk.ari_host}, where the network can reach it",
                "127.0.0.1, for ARI can place calls",
            )
        for at, trunk in self.file.each("trunks"):
            if (trunk.address, trunk.port) == (asterisk.sip_host, asterisk.sip_port):
                self.file.problems.add(
                    ("trunks", at, "port"), f"{trunk.port}, Asterisk's own", "the telco's"
                )

    def _web(self, web: Web, asterisk: Asterisk) -> None:
        if not web.enabled:
            return
        everywhere = "0.0.0.0"  # noqa: S104 - found in the settings, not bound
        same = web.host == asterisk.ari_host or everywhere in (web.host, asterisk.ari_host)
        if same and web.port == asterisk.ari_port:
            found = f"{web.port} as ari_port"
            self.file.problems.add(("web", "port"), found, "a port of its own")
        if not ip_address(web.host).is_loopback:
            self.file.warnings.add(
                ("web", "host"),
                f"{web.host}, where PINs and numbers pass in the clear",
                "127.0.0.1, behind a proxy with a certificate",
            )


def _extensions(centre: CentreChecks) -> list[str]:
    return centre.file.names("operators", "extension")


def _numbers(trunk: Trunk) -> Iterator[tuple[FieldPath, str]]:
    """The entry numbers of a trunk, each with its place in the trunk's table."""
    for index, number in enumerate(trunk.entry_numbers):
        yield ("entry_numbers", index), number
    for number in trunk.centres:
        yield ("centres", number), number
