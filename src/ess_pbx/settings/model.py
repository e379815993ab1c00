"""The shapes of an installation's settings.

``Settings`` is what the program works with; ``InstallationDocument`` and ``CentreDocument`` are how
files spell it, both in one file or each in its own, and ``ess_pbx.settings.load`` makes the one out
of the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from ess_pbx.domain.config import (
    Agency,
    AreaCode,
    Category,
    Centre,
    CountryCode,
    Identifier,
    LanguageCode,
    Number,
    Operator,
    Outbound,
    Policy,
    Queue,
    Seconds,
    Shape,
    Shift,
    Surge,
    SyntheticCall,
    Title,
)
from ess_pbx.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parents[3]
"""Where templates, dialplan and prompts lie unless the settings say otherwise."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

IPv4 = Annotated[str, Meta(pattern=rf"^{_OCTET}(\.{_OCTET}){{3}}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
NodeName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,15}$")]
DatabaseUrl = Annotated[str, Meta(pattern=r"^(sqlite\+aiosqlite|postgresql\+psycopg):")]
GreetingName = Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,59})?$")]
Codec = Literal["alaw", "ulaw"]
"""Codecs that Asterisk is given the modules for (``asterisk.render``), so that it can mix them."""
LogLevel = Literal["debug", "info", "warning", "error"]

HookUrl = Annotated[
    str, Meta(pattern=r"^(https://[^\s@/?#]+|http://127\.[0-9.]+(:[0-9]+)?)(/[^\s@#]*)?$")
]
EnvironmentName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
RTP_PORTS_A_LEG = 2
"""RTP and RTCP."""
LEAST_RTP_PORTS = 20
"""Five calls of two legs."""
LEGS_AN_OPERATOR = 4
"""The operator's own, their caller's, an agency's, and that of a caller who waits."""


class Asterisk(Shape, frozen=True, kw_only=True):
    """The Asterisk node that this engine controls, and the ports it listens on."""

    node: NodeName = "ess1"
    sip_host: IPv4 = "127.0.0.1"
    """The address for SIP and RTP."""
    sip_port: Port = 5060
    synthetic_port: Port = 5069
    """From where the centres' calls to themselves are sent; nobody has it else."""
    ari_host: IPv4 = "127.0.0.1"
    """Whoever reaches this address can place calls: loopback, unless the network is closed."""
    ari_port: Port = 8088
    rtp_first: Port = 10000
    """Even: RTP takes even ports, RTCP the odd one above (RFC 3550 §11)."""
    rtp_last: Port = 10999
    """The last port of the range, itself included."""
    phone_transfers: bool = False
    """Whether the transfer button of phones does something (``asterisk.transfers``)."""
    log_level: LogLevel = "info"
    """For the engine's log and for Asterisk's own. Numbers are masked unless it is ``debug``."""


class Folders(Shape, frozen=True, kw_only=True):
    """Where things lie. In the file, relative paths start at the settings file; here all are whole.

    ``recordings`` is ``state/recordings`` unless it is given.
    """

    state: Path = Path("var")
    recordings: Path = Path()
    templates: Path = CHECKOUT / "asterisk"
    dialplan: Path = CHECKOUT / "dialplan"
    prompts: Path = CHECKOUT / "ivr_prompts"


class Database(Shape, frozen=True, kw_only=True):
    """Where the facts of calls are kept. The URL holds the password once it is expanded."""

    url: DatabaseUrl = ""
    """An SQLAlchemy URL; ``ess-pbx.sqlite3`` in the state folder when none is given."""

    def __repr__(self) -> str:
        """Without the URL: it may hold a password, and settings end up in logs and tracebacks."""
        return f"Database({self.url.partition(':')[0]}:...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:  # for rich's tracebacks
        return [("url", f"{self.url.partition(':')[0]}:...")]


class Web(Shape, frozen=True, kw_only=True):
    """Where the HTTP API and the console are served; the control socket is there in any case."""

    enabled: bool = True
    host: IPv4 = "127.0.0.1"
    """HTTP without TLS: loopback, behind a proxy that has a certificate."""
    port: Port = 8080
    proxies: tuple[IPv4, ...] = ()
    """Proxies whose ``X-Forwarded-For`` is believed."""
    idle: Seconds = 3600.0
    """A sign-in that is not used for so long is over; an open live feed uses it."""
    longest: Seconds = 43200.0
    """A sign-in is over after so long in any case: a shift with its hand-over."""


class Metrics(Shape, frozen=True, kw_only=True):
    """Who may read ``/metrics``: nobody, unless it is said here."""

    loopback: bool = False
    """Programs on this machine that no proxy stands in front of."""
    token: Path | None = None
    """A file with what others send as ``Authorization: Bearer``, of 20 characters or more."""


class Watching(Shape, frozen=True, kw_only=True):
    """From when on what lies beside calls is an alarm."""

    database_behind: Seconds = 10.0
    """The database has taken none of the facts that wait for it for so long."""


class Webhook(Shape, frozen=True, kw_only=True):
    """An address that is told of alarms; ``ess_pbx.watching.webhook`` says what it gets."""

    id: Identifier
    url: HookUrl
    """Nothing is ever sent elsewhere: a redirect is not followed."""
    secret: Path | None = None
    """The file of the secret that signs; or ``secret_env``, never the secret itself."""
    secret_env: EnvironmentName | None = None
    authority: Path | None = None
    """PEM certificates to trust in place of the system's, for an address within the house."""
    alarms: tuple[Identifier, ...] = ()
    """Kinds of alarm (what stands before the colon); all of them when none is named."""


class Recordings(Shape, frozen=True, kw_only=True):
    """How finished recordings are kept."""

    keys: Path | None = None
    """The key file that seals and signs them, outside the data folder; made at the first start.
    Without one, recordings stay as plain WAV files that nobody can prove untouched."""


class Standby(Shape, frozen=True, kw_only=True):
    """A second engine process on the same machine (``engine.standby``)."""

    wanted: bool = False
    """Whether ``serve`` stands by while another engine leads, and a leader without a standby is an
    alarm."""
    frozen_after: Annotated[float, Meta(ge=0.5, le=30)] = 1.0
    """Seconds: a leader that gives no sign for so long is ended, and the standby takes over."""


class Trunk(Shape, frozen=True, kw_only=True):
    """A telco's SIP trunk, known by the address and port that it sends from."""

    id: Identifier
    name: Title
    address: IPv4
    port: Port = 5060
    centre: Identifier | None = None
    """Whose calls come over it; the installation's first centre when none is named. Calls to a
    number that nobody gave us are this centre's too."""
    entry_numbers: tuple[Number, ...] = ()
    """Numbers that ring this centre; ``ess_pbx.settings.entry`` compares them."""
    centres: dict[Number, Identifier] = field(default_factory=dict)
    """Further numbers of a trunk that several centres share, each with the centre it rings."""
    codecs: tuple[Codec, ...] = ("alaw", "ulaw")
    identity: Number = "112"
    """The number that calls going out through the trunk show."""
    qualify: Annotated[int, Meta(ge=0, le=3600)] = 0
    """Every so many seconds the telco's side is asked by OPTIONS whether it is there, and it is an
    alarm when it does not answer; 0 where it is not to be asked."""
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    """Of its calls, in place of the policy's ``default_priority``."""


def trunks_of_neighbours(settings: Settings) -> frozenset[str]:
    """The trunks over which neighbouring centres pass calls on."""
    return frozenset(
        agency.neighbour.trunk
        for centre in settings.centres
        for agency in centre.agencies
        if agency.neighbour is not None and agency.neighbour.trunk is not None
    )


class CentreTable(Shape, frozen=True, kw_only=True):
    """The ``[centre]`` table of a centre's settings."""

    id: Identifier
    name: Title
    time_zone: Annotated[str, Meta(min_length=1)] = "Asia/Jakarta"
    language: LanguageCode = "id"
    greeting: GreetingName = "selamat-datang"
    """Empty for none, since TOML has no null."""
    first_menu: Identifier | None = None
    default_queue: Identifier
    default_category: Identifier
    country: CountryCode = "ID"
    area_code: AreaCode | None = None
    menus: Path | None = None
    """The YAML file of the menus."""
    report_form: Path | None = None
    """The YAML file of what reports ask for; see ``ess_pbx.settings.report_form``."""
    roster: Path | None = None
    """The CSV file of the roster; see ``ess_pbx.settings.roster``."""


class Settings(Shape, frozen=True, kw_only=True):
    """All that one installation is told, checked; see ``load_settings``."""

    centres: tuple[Centre, ...]
    """One or more, each with an id of its own; no two have an operator of the same extension."""
    asterisk: Asterisk
    folders: Folders
    database: Database
    web: Web = Web()
    metrics: Metrics = Metrics()
    watching: Watching = Watching()
    webhook: tuple[Webhook, ...] = ()
    recordings: Recordings = Recordings()
    standby: Standby = Standby()
    trunks: tuple[Trunk, ...] = ()
    rosters: dict[Identifier, Path] = field(default_factory=dict)
    """The whole path of each centre's roster, by its id; without one, every day goes by the shift
    templates."""
    warnings: tuple[str, ...] = ()
    """One readable line each: allowed, but probably not meant."""

    def centre_named(self, name: str | None = None) -> Centre:
        """The centre of this id; without one, the only centre there is.

        Raises SettingsError, which lists the ids.
        """
        found = [each for each in self.centres if name in (None, each.id)]
        if len(found) == 1:
            return found[0]
        ids = ", ".join(each.id for each in self.centres)
        what = "no centre was named" if name is None else f"no centre is called {name!r}"
        raise SettingsError(f"--centre: {what}; expected one of {ids}")


class InstallationDocument(Shape, frozen=True, kw_only=True):
    """What a settings file says of the installation."""

    centres: tuple[Path, ...] = ()
    """The files of its centres; without any, the file is that of its one centre too."""
    asterisk: Asterisk = Asterisk()
    folders: Folders = Folders()
    database: Database = Database()
    web: Web = Web()
    metrics: Metrics = Metrics()
    watching: Watching = Watching()
    webhook: tuple[Webhook, ...] = ()
    recordings: Recordings = Recordings()
    standby: Standby = Standby()
    trunks: tuple[Trunk, ...] = ()


class CentreDocument(Shape, frozen=True, kw_only=True):
    """What a settings file says of a centre."""

    centre: CentreTable
    policy: Policy = Policy()
    surge: Surge = Surge()
    synthetic_call: SyntheticCall | None = None
    outbound: Outbound = Outbound()
    queues: tuple[Queue, ...]
    categories: tuple[Category, ...]
    shifts: tuple[Shift, ...]
    operators: tuple[Operator, ...]
    agencies: tuple[Agency, ...] = ()
