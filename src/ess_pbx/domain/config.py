"""What a region decides about its centre: data, checked when it is loaded, never code.

These are the shapes that settings files are read into (``ess_pbx.settings``) and that the core
decides by. Durations are seconds unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Extension = Annotated[str, Meta(pattern=r"^[0-9]{2,8}$")]
Number = Annotated[str, Meta(pattern=r"^\+?[0-9]{2,20}$")]
AllowedNumber = Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{3,14}|[0-9]{2,8})\*?$")]
"""A number in E.164 or a short one of the trunk's (108); with a star, all that begin with it."""
WebAddress = Annotated[str, Meta(pattern=r"^(https?://[^\s@/?#]+)?$")]
PromptName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
LanguageCode = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Title = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\"<>;\\]*$")]
SipUri = Annotated[str, Meta(pattern=r"^sip:[^@\s;,&|]+@[A-Za-z0-9.:\[\]-]+$")]
Key = Annotated[str, Meta(pattern=r"^[0-9*#]$")]
AreaCode = Annotated[str, Meta(pattern=r"^0[0-9]{1,4}$")]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
LocalTime = Annotated[time, Meta(tz=False)]
"""A time of day in the centre's time zone."""
Day = Literal["sen", "sel", "rab", "kam", "jum", "sab", "min"]
DAYS: tuple[Day, ...] = ("sen", "sel", "rab", "kam", "jum", "sab", "min")
"""Monday to Sunday, in the order of ``datetime.weekday``."""
SkillLevel = Annotated[int, Meta(ge=1, le=9)]
Strategy = Literal["longest-idle", "round-robin", "fewest-calls", "skill-first", "ring-all"]
"""Which of the operators who can take a call is offered it. ``fewest-calls`` counts those taken
since the operator came on duty; ``skill-first`` adds up the levels of the skills asked for;
``ring-all`` rings all of them at once, and the first who answers has the call."""
Step = Literal["wider-skills", "ring-all", "supervisors", "overflow"]
"""What the ladder does for a caller who has waited long. ``wider-skills``: anyone of the queue will
do, for who asks for skills; ``ring-all``: all operators on shift who are free, of any queue;
``supervisors``: those too; ``overflow``: an agency or a neighbouring centre."""

LANGUAGE_SKILL = "bahasa-"
"""With a language's code: the skill that a caller in another language than the centre's needs."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings shape: immutable, and an unknown field is an error."""


class Queue(Shape, frozen=True, kw_only=True):
    """A line of waiting callers. Its operators are all on shift unless some are named."""

    id: Identifier
    name: Title
    operators: tuple[Extension, ...] = ()
    strategy: Strategy = "longest-idle"


class Category(Shape, frozen=True, kw_only=True):
    """A kind of emergency and the queue that takes it."""

    id: Identifier
    name: Title
    queue: Identifier
    prompt: PromptName | None = None
    """The category spoken, as an agency hears it when it answers."""
    skills: tuple[Identifier, ...] = ()
    """What an operator must have to be offered its calls, while anyone who has it is there."""
    recording_days: Annotated[int, Meta(ge=1)] | None = None
    """How long recordings of its calls are kept; the centre's own time when it is not given."""


class Shift(Shape, frozen=True, kw_only=True):
    """A daily period of duty in the centre's local time; ``ends`` <= ``starts`` runs past midnight.

    Equal times mean the whole day.
    """

    id: Identifier
    name: Title
    starts: LocalTime
    ends: LocalTime
    operators: tuple[Extension, ...]
    """Who works it on every date for which the roster names nobody."""
    minimum: Annotated[int, Meta(ge=0, le=1000)] = 1
    """An alarm is raised while fewer of its operators' phones are reachable."""
    holiday: bool = False
    """For holidays of the roster, when these shifts take the place of all others."""


class Operator(Shape, frozen=True, kw_only=True):
    """A person who takes calls, known by the extension of their phone."""

    extension: Extension
    name: Title
    skills: dict[Identifier, SkillLevel] = {}
    """What they can do, and how well."""
    auto_answer: bool = False
    """The phone picks up by itself when the queue rings it: for headsets, where the operator sits
    before it. It needs a phone that obeys ``Call-Info: answer-after=0``."""
    phone: Number | None = None
    """Their own number, in E.164, on which surge mode calls them in."""
    role: Literal["operator", "supervisor"] = "operator"
    """A supervisor is rung by the ladder alone, on shift or not, while their phone is there. They
    may log others out, and end others' breaks."""

    @property
    def supervisor(self) -> bool:
        """Whether this is a supervisor."""
        return self.role == "supervisor"


class Neighbour(Shape, frozen=True, kw_only=True):
    """Another 112 centre that runs ess-pbx: calls go there with their report (decisions/0021)."""

    centre: Identifier
    """What it is called in its own settings."""
    url: WebAddress = ""
    """Where its installation takes reports; without one, calls alone are handed over."""
    secret: str = ""
    """The file that holds what both installations sign with; whole, once it is loaded."""
    trunk: Identifier | None = None
    """The trunk that its calls come by; what a call says of its report is believed there alone."""


class Classification(Shape, frozen=True, kw_only=True):
    """What is set for the caller; what is not named stays as it was."""

    category: Identifier | None = None
    queue: Identifier | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    language: LanguageCode | None = None
    play: tuple[PromptName, ...] = ()
    """Played before it goes on."""


class QueueKey(Classification, frozen=True, kw_only=True):
    """What a key does for a caller who waits in a queue: they wait on, in another it may be."""

    hint: PromptName | None = None
    """What the key is for, said to who waits; the key itself is said after it."""


class Choice(Classification, frozen=True, kw_only=True):
    """What a key, or pressing nothing, does in a menu. It goes one way on.

    To ``menu``; to the menu before (``back``); round the same menu again (``repeat``, and ``play``
    where nothing else is said); to an ``information`` line; and otherwise to the queue.
    """

    menu: Identifier | None = None
    back: bool = False
    repeat: bool = False
    information: tuple[PromptName, ...] = ()
    """Played to the caller, over which the keys of the menu go on working."""
    then: Literal["end", "queue"] | None = None
    """After the information: a farewell and the end of the call, or, by default, the queue."""


class OpenPeriod(Shape, frozen=True, kw_only=True):
    """Opening hours of some days; ``to`` <= ``from`` runs past midnight, equal a whole day."""

    days: tuple[Day, ...] = DAYS
    since: LocalTime = msgspec.field(name="from")
    to: LocalTime


class Opening(Shape, frozen=True, kw_only=True):
    """When somebody is there."""

    open: tuple[OpenPeriod, ...]
    holidays: Literal["open", "closed"] = "open"
    """Whether a holiday of the roster is a day like any other, or closed all day."""


class Hours(Opening, frozen=True, kw_only=True):
    """When a menu is open, and where a caller goes who comes to it while it is not."""

    closed: Choice


class Contact(Shape, frozen=True, kw_only=True):
    """One way to reach an agency: ``sip``, a ``number`` on a ``trunk``, or an ``extension``."""

    sip: SipUri | None = None
    trunk: Identifier | None = None
    number: Number | None = None
    """As it is dialled there."""
    extension: Extension | None = None
    """An operator's own phone; rung while they are free."""
    ring: Seconds | None = None
    """How long it rings; the agency's time when it is not given."""
    hours: Opening | None = None
    """Passed over outside them; the agency's when they are not given."""


class Agency(Shape, frozen=True, kw_only=True):
    """An instansi that calls are passed to; ``code`` is what operators dial (110, 119, ...)."""

    id: Identifier
    name: Title
    code: Annotated[str, Meta(pattern=r"^[0-9]{3,4}$")]
    contact: SipUri | None = None
    """The only contact, for an agency that has one."""
    contacts: tuple[Contact, ...] = ()
    """Tried in this order, each when the one before is busy, closed or does not answer."""
    ring: Seconds | None = None
    """How long each contact rings; ``Policy.agency_ring`` when it is not given."""
    hours: Opening | None = None
    """Always there without them."""
    introduction: bool = False
    """Whether they hear in a few words what it is, before the operator speaks with them."""
    categories: tuple[Identifier, ...] = ()
    neighbour: Neighbour | None = None
    """Of a neighbouring 112 centre: the report follows the call."""

    @property
    def ways(self) -> tuple[Contact, ...]:
        """All contacts, in order."""
        return self.contacts or (Contact(sip=self.contact),)


class Menu(Shape, frozen=True, kw_only=True):
    """Prompts that play one after another, and what each key does, from the first prompt on."""

    prompts: tuple[PromptName, ...] = ()
    keys: dict[Key, Choice] = {}
    otherwise: Choice
    timeout: Seconds = 4.0
    repeats: Annotated[int, Meta(ge=0, le=9)] = 0
    """How often the prompts play again when nothing is pressed, before ``otherwise``."""
    hours: Hours | None = None
    """Always open without them."""

    def choices(self) -> Iterator[tuple[tuple[str, ...], Choice]]:
        """Every choice with its place in the menu: ``("keys", "1")``, ``("otherwise",)``, …"""
        for key, choice in self.keys.items():
            yield ("keys", key), choice
        yield ("otherwise",), self.otherwise
        if self.hours is not None:
            yield ("hours", "closed"), self.hours.closed


class Rung(Shape, frozen=True, kw_only=True):
    """What is done for a caller who has waited ``after`` seconds since they called.

    Or since they lost the operator or agency they were speaking with.
    """

    after: Seconds
    step: Step
    prompt: PromptName | None = None
    """Said to the caller then."""
    to: Identifier | None = None
    """The agency that ``overflow`` rings; the caller waits on, and has who answers first."""


class BreakReason(Shape, frozen=True, kw_only=True):
    """Why operators take breaks; with a key it can be chosen on the phone."""

    name: Title
    key: Annotated[str, Meta(pattern=r"^[0-9]$")] | None = None
    prompt: PromptName | None = None
    """What the phone says of it, key included; without one it is not said, but can be chosen."""


BREAK_REASONS = (
    BreakReason(name="istirahat", key="1", prompt="alasan-istirahat"),
    BreakReason(name="sholat", key="2", prompt="alasan-sholat"),
    BreakReason(name="makan", key="3", prompt="alasan-makan"),
    BreakReason(name="toilet", key="4", prompt="alasan-toilet"),
    BreakReason(name="rapat", key="5", prompt="alasan-rapat"),
)


class Policy(Shape, frozen=True, kw_only=True):
    """How the centre treats callers and operators."""

    ring: Seconds = 12.0
    """How long an operator's phone rings before the offer passes on (RONA)."""
    rona_pause: Seconds = 5.0
    """How long an operator who missed an offer is passed over, when others are there or not."""
    wrap_up: Annotated[float, Meta(ge=0, le=3600)] = 20.0
    """Time for the report after a call, before the next offer."""
    agency_ring: Seconds = 45.0
    """How long an agency's phone rings before its next contact is tried, or the consult fails."""
    agency_early: Annotated[float, Meta(ge=0, le=600)] = 10.0
    """An agency that hangs up so soon after the operator left did not mean it, or was cut off: the
    caller goes back to the head of the queue."""
    comfort: Seconds = 20.0
    """Waiting callers hear the comfort announcement this often."""
    default_priority: Annotated[int, Meta(ge=0, le=9)] = 5
    age_lift: Seconds = 300.0
    """One step of priority is worth this much waiting, so that nobody waits for ever: by default a
    caller of priority 9 goes before all of priority 5 who came up to 20 minutes earlier."""
    announce_position: bool = True
    """Whether the comfort announcement begins with the caller's place in the queue."""
    ladder: tuple[Rung, ...] = (
        Rung(after=30.0, step="wider-skills"),
        Rung(after=60.0, step="ring-all"),
        Rung(after=90.0, step="supervisors"),
    )
    """Steps by waiting time, in order. One that changes nothing for a caller is passed over."""
    rona_limit: Annotated[int, Meta(ge=1, le=100)] = 3
    """An operator who misses this many offers in a row is on break until their phone registers
    anew; never the last one there."""
    log_in: Literal["phone", "explicit"] = "phone"
    """``phone``: a registered phone is logged in. Logging out holds until they log in again, their
    phone registers anew, or their duty ends, so that no caller is lost because somebody forgot to
    log in; at worst a phone rings before an empty chair, once a caller, until the break for not
    answering. ``explicit``: only who logged in is offered calls, until they log out. A break holds
    until it is ended or the duty is, whatever the phone does. All of it survives a restart of the
    engine, as long as the same duty goes on."""
    break_reasons: tuple[BreakReason, ...] = BREAK_REASONS
    pin_alarm: Annotated[int, Meta(ge=1, le=1000)] = 6
    """An alarm is raised when this many wrong PINs come from a phone within an hour."""
    search_at_once: bool = True
    """Ring operators while the caller still hears greeting and menu; one who answers cuts them
    short. Otherwise a caller is queued when the menu is done."""
    handover_before: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """Operators are on duty this long before their shift starts."""
    handover_after: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """Operators stay on duty this long after their shift has ended."""
    call_back: bool = True
    """Callers who left before a human answered, or were cut off, are called back."""
    call_back_after: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    """Only those who had waited this long; who was cut off, or had called before, in any case."""
    call_back_delays: tuple[Annotated[float, Meta(ge=0, le=86400)], ...] = (0.0, 120.0, 600.0)
    """How long to wait before the first attempt and after each that failed; the last one counts
    for all that follow."""
    call_back_attempts: Annotated[int, Meta(ge=1, le=20)] = 3
    """After so many the caller counts as unreachable."""
    call_back_ring: Annotated[float, Meta(ge=5, le=120)] = 40.0
    """How long the caller's phone rings."""
    call_back_expires: Annotated[float, Meta(gt=0, le=168)] = 12.0
    """Hours after which nobody is called back any more."""
    clock_jump: Annotated[float, Meta(ge=0.1, le=86400)] = 2.0
    """It is an alarm when the wall clock is set by more than so many seconds at once."""
    shift_alarm: Annotated[float, Meta(ge=0, le=86400)] = 900.0
    """How long before a shift starts it is an alarm that too few of its phones are reachable."""
    recording_days: Annotated[int, Meta(ge=1)] = 365
    """How long recordings are kept before they are destroyed, unless held for legal proceedings
    (UU PDP 27/2022)."""
    phone_silence: Annotated[float, Meta(ge=0, le=60)] = 0.3
    """When so long nothing comes from the phone of an operator in a call, it is asked whether it is
    there; one that is not loses the call, whose caller goes to the head of the queue. 0 is never,
    and leaves such a caller in silence until somebody hangs up."""
    record_waiting: bool = True
    """Whether recordings begin with the answer, so that what is heard behind a caller who waits is
    evidence too; otherwise when somebody speaks with the caller."""
    recording_pause: Annotated[float, Meta(ge=0, le=900)] = 0.0
    """Seconds for which an operator may pause a recording; 0 for not at all."""
    silent_after: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """A caller of whom no speech and no key is heard for so long is asked to press 5; 0 is never,
    and then the key means nothing."""
    silent_every: Seconds = 60.0
    """At most this often."""
    silent_priority: Annotated[int, Meta(ge=0, le=9)] = 9
    """At least this for who pressed 5."""
    redial_within: Annotated[float, Meta(ge=0, le=86400)] = 600.0
    """A call from the same number so soon after one that ended without a human is a redial."""
    redial_priority: Annotated[int, Meta(ge=0, le=9)] = 7
    """At least this for a redial."""
    redial_keeps_age: bool = True
    """A redial waits in the queue from the first of the attempts within ``redial_within``."""
    show_listening: bool = False
    """Whether operators are told when a supervisor begins to listen; callers never are."""
    prank_marks: Annotated[int, Meta(ge=0, le=100)] = 0
    """So many calls of a number marked as prank make it a confirmed prankster's; 0 leaves that to
    supervisors."""
    prank_within: Annotated[float, Meta(gt=0, le=365)] = 30.0
    """Days for which a mark counts."""
    prank_days: Annotated[float, Meta(gt=0, le=365)] = 1.0
    """Days for which a number is confirmed."""
    prank_priority: Annotated[int, Meta(ge=0, le=9)] = 1
    """At most this for a confirmed prankster for whom nothing speaks; see ``domain.priority``."""
    prank_warning: PromptName | None = None
    """What a confirmed prankster hears on arrival, after the greeting."""


class Region(Shape, frozen=True, kw_only=True):
    """The point from which distances to the region are measured. Degrees, WGS 84."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    """North positive: Indonesia's south is negative."""
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Threshold(Shape, frozen=True, kw_only=True):
    """An earthquake so near and so strong concerns the region."""

    within_km: Annotated[float, Meta(gt=0, le=20000)]
    magnitude: Annotated[float, Meta(ge=0, le=10)]


class EarthquakeFeed(Shape, frozen=True, kw_only=True):
    """BMKG's latest earthquake (autogempa.json), and which of them begin surge mode."""

    url: Annotated[str, Meta(pattern=r"^(https?://[^\s@/?#]+(/[^\s@]*)?)?$")] = ""
    """Nothing is asked of anybody while it is empty."""
    every: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    timeout: Annotated[float, Meta(gt=0, le=60)] = 10.0
    region: Region
    thresholds: tuple[Threshold, ...] = (
        Threshold(within_km=50.0, magnitude=4.5),
        Threshold(within_km=150.0, magnitude=5.5),
        Threshold(within_km=300.0, magnitude=6.5),
    )
    tsunami_within_km: Annotated[float, Meta(ge=0, le=20000)] = 500.0
    """A quake that may bring a tsunami concerns the region from here on, whatever its magnitude;
    0 for a region without a coast."""
    max_age: Seconds = 1800.0
    """An older earthquake begins nothing."""


class Question(Shape, frozen=True, kw_only=True):
    """What the SOP of a category has operators ask."""

    id: Identifier
    text: Annotated[str, Meta(min_length=1, max_length=200)]
    answer: Literal["ya-tidak", "angka", "teks", "pilihan"] = "teks"
    choices: tuple[Title, ...] = ()
    """Of ``pilihan``."""


class Sop(Shape, frozen=True, kw_only=True):
    """What a report of a category asks for."""

    subcategories: dict[Identifier, Title] = {}
    questions: tuple[Question, ...] = ()


class ReportForm(Shape, frozen=True, kw_only=True):
    """What the reports of a centre are made of, beside its categories."""

    categories: dict[Identifier, Sop] = {}
    districts: dict[Title, tuple[Title, ...]] = {}
    """Kecamatan, each with its kelurahan and desa."""


class Surge(Shape, frozen=True, kw_only=True):
    """Siaga bencana: what changes while everyone calls at once. It is begun by hand or by a feed.

    Every effect is a setting of its own; none of them ever refuses or ends a call.
    """

    lasts: Seconds = 7200.0
    """It ends by itself this long after it was declared or last extended."""
    announce: bool = True
    """Say what happened in place of the greeting; such a prompt says, too, that all is recorded."""
    prompt: PromptName = "siaga-bencana"
    """What is said, unless who declares it names another."""
    earthquake_prompt: PromptName = "siaga-gempa"
    tsunami_prompt: PromptName = "siaga-tsunami"
    prompts: tuple[PromptName, ...] = ()
    """Others that may be named when surge mode is declared by hand."""
    ask_own_need: Literal["wait", "inform", "no"] = "wait"
    """Whether callers are asked to press a key if they need help themselves. Who presses nothing
    waits behind those who did, at once or after the information; with "no" nobody is asked."""
    need_key: Key = "1"
    need_prompt: PromptName = "siaga-butuh-bantuan"
    information: tuple[PromptName, ...] = ("siaga-informasi",)
    need_priority: Annotated[int, Meta(ge=0, le=9)] = 8
    other_priority: Annotated[int, Meta(ge=0, le=9)] = 3
    category: Identifier | None = None
    """Of callers who are asked; the centre's default when there is none."""
    ring_all: bool = True
    """Every idle operator of a queue is rung at once."""
    wrap_up: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    """Time for the report while it lasts, when the policy's is longer."""
    call_in: bool = True
    """Operators whose shift it is not count as on duty while their phone is reachable."""
    call_in_trunk: Identifier | None = None
    """The trunk over which the own phones of those who are not there are rung (Operator.phone)."""
    call_in_prompt: PromptName = "siaga-panggilan"
    """What is said to them."""
    hurry: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """The ladder's steps come so many times as early."""
    feed: EarthquakeFeed | None = None


class SyntheticCall(Shape, frozen=True, kw_only=True):
    """The centre's calls to itself; docs/decisions/0019 says what they prove."""

    number: Number
    """The test number: no entry number, and no other centre's."""
    every: Annotated[float, Meta(ge=10, le=3600)] = 60.0
    within: Annotated[float, Meta(ge=1, le=20)] = 5.0
    """Each end must have heard the other by then."""
    failures: Annotated[int, Meta(ge=1, le=100)] = 3
    """So many in a row are an alarm."""


class OutboundRole(Shape, frozen=True, kw_only=True):
    """What operators of one role may call from their phone, beside what a call of 112 needs."""

    allow: tuple[AllowedNumber, ...] = ()
    per_day: Annotated[int, Meta(ge=0, le=100_000)] = 20
    """Calls of all of them together, in a day of the centre's; more are refused until the next."""


class Outbound(Shape, frozen=True, kw_only=True):
    """Calls that operators place by themselves. Nothing but what is allowed here goes out so."""

    trunk: Identifier | None = None
    """The trunk that they go out through."""
    ring: Annotated[float, Meta(ge=5, le=120)] = 45.0
    operator: OutboundRole = OutboundRole()
    supervisor: OutboundRole = OutboundRole()


class Centre(Shape, frozen=True, kw_only=True):
    """A pusat: its people, queues, menus and policy."""

    id: Identifier
    name: Title
    time_zone: Annotated[str, Meta(min_length=1)] = "Asia/Jakarta"
    language: LanguageCode = "id"
    country: CountryCode = "ID"
    """ISO 3166-1 alpha-2; numbers without a country code are read as this country's."""
    area_code: AreaCode | None = None
    """With its leading zero; callers' numbers without an area code are read as this area's."""
    greeting: PromptName | None = "selamat-datang"
    """Played on arrival; a caller to a centre without a menu hears it while queued."""
    first_menu: Identifier | None = None
    """The menu a caller enters after the greeting; without one, the caller is queued on arrival."""
    default_queue: Identifier
    default_category: Identifier
    policy: Policy = Policy()
    surge: Surge = Surge()
    queues: tuple[Queue, ...]
    categories: tuple[Category, ...]
    shifts: tuple[Shift, ...]
    operators: tuple[Operator, ...]
    agencies: tuple[Agency, ...] = ()
    report_form: ReportForm = ReportForm()
    outbound: Outbound = Outbound()
    menus: dict[Identifier, Menu] = {}
    queue_keys: dict[Key, QueueKey] = {}
    """What keys do while a caller waits."""
    synthetic_call: SyntheticCall | None = None
