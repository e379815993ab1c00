"""``ess-pbx ivr``: the menus drawn as a tree, and walked in the terminal before anyone calls."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter
from msgspec.structs import replace
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from ess_pbx.domain.call import Call, Phase
from ess_pbx.domain.call_centre import CallCentre
from ess_pbx.domain.config import Centre, Choice, Classification, Menu
from ess_pbx.domain.effects import ArmTimer, CancelTimer, PlayPrompt, Record
from ess_pbx.domain.events import (
    Arrived,
    CallEvent,
    CentreEvent,
    ClockRead,
    KeyPressed,
    LegAnswered,
    LegGone,
    PlaybackBegan,
    PlaybackEnded,
    TimerFired,
    TimerId,
)
from ess_pbx.domain.facts import FactKind
from ess_pbx.domain.ids import CallId, caller_leg
from ess_pbx.prompts.catalogue import Catalogue, load_catalogue
from ess_pbx.settings.load import load_settings
from ess_pbx.terminal import Named

ivr = App(name="ivr", help="The menus that callers hear.")

out = Console(highlight=False, soft_wrap=True)

SettingsFile = Annotated[Path, Parameter(help="The TOML file of the installation.")]
CALL = CallId("simulasi-1")
HANG_UP = "q"


@ivr.command
def show(settings: SettingsFile, *, centre: Named = None) -> int:
    """Draw the menus as a tree, from the first one on."""
    out.print(menu_tree(load_settings(settings).centre_named(centre)), soft_wrap=False)
    return 0


@ivr.command
def simulate(
    settings: SettingsFile,
    *,
    keys: Annotated[
        str | None, Parameter(help='Keys one after another: "1,9"; nothing between commas waits.')
    ] = None,
    at: Annotated[datetime | None, Parameter(help="The centre's local time; now if none.")] = None,
    centre: Named = None,
) -> int:
    """Walk the menus: a key a line, Enter for pressing nothing, q to hang up."""
    loaded = load_settings(settings)
    chosen = loaded.centre_named(centre)
    local = (at or datetime.now(ZoneInfo(chosen.time_zone))).replace(tzinfo=None)
    walk = Walk(chosen, load_catalogue(loaded.folders.prompts), local)
    pressed = _typed() if keys is None else iter(keys.split(","))
    walk.begin()
    while walk.goes_on:
        key = next(pressed, HANG_UP if keys is None else "").strip()
        if keys is not None:
            out.print(f"> {key or '(tidak menekan)'}", markup=False)
        if key == HANG_UP:
            walk.hang_up()
        elif key in tuple("0123456789*#"):
            walk.press(key)
        elif key:
            out.print(f"{key}: bukan tombol; 0-9, *, #, Enter (tidak menekan), q (tutup)")
        else:
            walk.wait()
    return 0


class Walk:
    """A caller in the real core, in virtual time; says what would be heard."""

    def __init__(self, centre: Centre, catalogue: Catalogue, local: datetime) -> None:
        # Nobody rings in a simulation: the caller is queued where the menus end.
        policy = replace(centre.policy, search_at_once=False)
        self.centre = replace(centre, policy=policy)
        self.core = CallCentre(self.centre)
        self.texts = catalogue.prompts
        self.timers: dict[TimerId, float] = {}
        self.now = 0.0
        self.last: Call | None = None
        self._feed(ClockRead(local))

    @property
    def goes_on(self) -> bool:
        """Whether the caller is still in the menus."""
        return self.last is not None and self.last.phase is Phase.IVR

    def begin(self) -> None:
        """112 is dialled."""
        self._feed(Arrived(CALL, "simulasi", None, "simulasi", "112", None))
        self._feed(LegAnswered(CALL, caller_leg(CALL)))
        self._listen()

    def press(self, key: str) -> None:
        """A key."""
        self._feed(KeyPressed(CALL, caller_leg(CALL), key))
        self._listen()

    def wait(self) -> None:
        """Nothing is pressed: what plays comes to its end, or the time for a key does."""
        if self.last is not None and self.last.playing is not None:
            self._prompt_over(self.last)
        elif self.timers:
            timer = min(self.timers, key=self.timers.__getitem__)
            self.now = self.timers.pop(timer)
            self._feed(TimerFired(CALL, timer))
        self._listen()

    def hang_up(self) -> None:
        """The caller goes."""
        self._feed(LegGone(CALL, caller_leg(CALL), 16))

    def _listen(self) -> None:
        """Prompts end one by one, but for an information's last: over it keys still work."""
        while (call := self.last) is not None and call.playing is not None:
            if call.phase is not Phase.IVR or (call.information and not call.announcements):
                return
            self._prompt_over(call)

    def _prompt_over(self, call: Call) -> None:
        playback = call.playing
        if playback is not None:
            self._feed(PlaybackBegan(CALL, playback))
            self._feed(PlaybackEnded(CALL, playback))

    def _feed(self, event: CallEvent | CentreEvent) -> None:
        for effect in self.core.decide(event, self.now):
            match effect:
                case PlayPrompt(prompt=prompt, language=language):
                    self._say(prompt, language)
                case ArmTimer(timer, seconds):
                    self.timers[timer] = self.now + seconds
                case CancelTimer(timer):
                    self.timers.pop(timer, None)
                case Record(kind=FactKind.MENU_ENTERED, data=data):
                    out.print(f"[bold]menu {escape(str(data['menu']))}[/]")
                case Record(kind=FactKind.QUEUED, data=data):
                    self._queued()
                    break
                case Record(kind=FactKind.CALL_ENDED, data=data):
                    out.print(f"selesai: {data['result']}, {data['reason']}", markup=False)
                case _:
                    pass
        self.last = self.core.calls.get(CALL)

    def _say(self, prompt: str, language: str) -> None:
        own = self.texts.get(language, {}).get(prompt)
        spoken = own or self.texts.get(self.centre.language, {}).get(prompt)
        text = spoken.text if spoken else "(tidak ada teks)"
        out.print(f"  [{spoken.language if spoken else language}] {prompt}: {text}", markup=False)

    def _queued(self) -> None:
        call = self.core.calls[CALL]
        out.print(
            f"antrean {call.queue}: kategori {call.category}, prioritas {call.priority}, "
            f"bahasa {call.language}",
            markup=False,
        )


def menu_tree(centre: Centre) -> Tree:
    """The centre's menus; one that is reached twice is drawn where it is first met."""
    tree = Tree(f"[bold]{escape(centre.name)}[/]")
    if centre.greeting is not None:
        tree.add(f"sapaan: {centre.greeting}")
    drawn: set[str] = set()
    if centre.first_menu is None:
        tree.add(f"langsung ke antrean {centre.default_queue}")
    else:
        _draw(centre.first_menu, centre, tree, drawn)
    if centre.queue_keys:
        waiting = tree.add("[bold]selama menunggu di antrean[/]")
        for key, wanted in sorted(centre.queue_keys.items()):
            waiting.add(f"{key}: {'; '.join(_sets(wanted)) or 'pengumuman'}")
    return tree


def _draw(name: str, centre: Centre, under: Tree, drawn: set[str]) -> None:
    drawn.add(name)
    menu = centre.menus[name]
    branch = under.add(f"[bold]menu {name}[/] {_prompts(menu)}")
    if menu.hours is not None:
        for period in menu.hours.open:
            days = " ".join(period.days)
            branch.add(f"buka {days} {period.since:%H:%M}-{period.to:%H:%M}")
    for place, choice in menu.choices():
        label = {"keys": place[-1], "otherwise": "tanpa tombol", "hours": "tutup"}[place[0]]
        line = branch.add(f"{label}: {'; '.join((*_sets(choice), _way(choice)))}")
        if choice.menu in centre.menus and choice.menu is not None and choice.menu not in drawn:
            _draw(choice.menu, centre, line, drawn)


def _prompts(menu: Menu) -> str:
    again = f", diulang {menu.repeats}x" if menu.repeats else ""
    return f"{', '.join(menu.prompts) or 'tanpa suara'} ({menu.timeout:g} detik{again})"


def _sets(wanted: Classification) -> Iterator[str]:
    if wanted.play:
        yield f"putar {', '.join(wanted.play)}"
    for field, word in (
        ("category", "kategori"),
        ("queue", "antrean"),
        ("priority", "prioritas"),
        ("language", "bahasa"),
    ):
        value = getattr(wanted, field)
        if value is not None:
            yield f"{word} {value}"


def _way(choice: Choice) -> str:
    if choice.information:
        after = "selesai" if choice.then == "end" else "antrean"
        return f"informasi {', '.join(choice.information)} → {after}"
    if choice.menu is not None:
        return f"→ menu {choice.menu}"
    if choice.back:
        return "→ menu sebelumnya"
    return "→ menu ini lagi" if choice.repeat or choice.play else "→ antrean"


def _typed() -> Iterator[str]:
    for line in sys.stdin:
        yield line.rstrip("\n")
