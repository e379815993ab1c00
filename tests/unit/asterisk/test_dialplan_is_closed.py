"""The rendered dialplan: a trunk leads to 112 alone, and nothing in it dials but the phones."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import pytest

from ess_pbx.asterisk.render import AsteriskFolders, render
from ess_pbx.demo.stage import sample
from ess_pbx.settings.credentials import load_credentials
from ess_pbx.settings.load import load_settings
from ess_pbx.settings.model import CHECKOUT, Settings

PROVINCE = CHECKOUT / "deploy" / "sample" / "province" / "installation.toml"
GOES = re.compile(r"(?:Goto(?:If)?\(|include => |\?|Gosub\(|U\()([a-z0-9${}_-]+),")
INSIDE = re.compile(r"^(emergency|numbers-|unclaimed-)")


def contexts(settings: Settings, folder: Path) -> dict[str, list[str]]:
    """The lines of each context of extensions.conf."""
    names = [each.name for each in fields(AsteriskFolders)]
    folders = AsteriskFolders(**{name: folder / name for name in names})
    extensions = [each.extension for centre in settings.centres for each in centre.operators]
    render(settings, load_credentials(folder, extensions), folders)
    found: dict[str, list[str]] = defaultdict(list)
    context = ""
    for line in (folders.etc / "extensions.conf").read_text().splitlines():
        if line.startswith("["):
            context = line.strip("[]")
        elif line and not line.startswith(";"):
            found[context].append(line)
    return found


@pytest.fixture(params=["sample", "province"])
def dialplan(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, list[str]]:
    settings = sample() if request.param == "sample" else load_settings(PROVINCE)
    return contexts(settings, tmp_path)


def reached(dialplan: dict[str, list[str]], start: str) -> set[str]:
    """All contexts that a call can come to; a variable in a name stands for any that fits."""
    seen, ahead = set[str](), [start]
    while ahead:
        context = ahead.pop()
        if context in seen:
            continue
        seen.add(context)
        for line in dialplan[context]:
            for name in GOES.findall(line) + re.findall(r"include => ([a-z-]+)", line):
                pattern = re.sub(r"\$\{[^}]*\}", "[a-z0-9-]+", name)
                ahead += [each for each in dialplan if re.fullmatch(pattern, each)]
    return seen


def test_a_trunk_reaches_the_112_entry_and_nothing_else(dialplan: dict[str, list[str]]) -> None:
    trunks = [each for each in dialplan if each.startswith(("from-trunk", "trunk-"))]
    assert trunks
    for trunk in trunks:
        others = {each for each in reached(dialplan, trunk) if not INSIDE.match(each)}
        assert others == {trunk}, trunk


def test_nothing_dials_but_for_the_phones_of_a_centre_without_an_engine(
    dialplan: dict[str, list[str]],
) -> None:
    dialling = [
        (context, line)
        for context, lines in dialplan.items()
        for line in lines
        if re.search(r"(?<![A-Za-z])(Dial|Originate|Transfer|Page|System|SHELL|AGI)\(", line)
    ]
    assert dialling
    for context, line in dialling:
        assert context.startswith("unclaimed-"), line
        assert "Dial(${CUT(ESS_RING,&,2-4)}," in line
    rung = {line for lines in dialplan.values() for line in lines if "Set(ESS_RING=" in line}
    assert len(rung) == 1, "what is rung is taken from the list alone"
    phones = {line for lines in dialplan.values() for line in lines if "Set(ESS_PHONES=" in line}
    assert phones == {" same => n,Set(ESS_PHONES=${CUT(ESS_LIST,!,1)})"}
    lists = {line for lines in dialplan.values() for line in lines if "Set(ESS_LIST=$" in line}
    assert all("Set(ESS_LIST=${FILE(" in line for line in lists)


def test_a_phone_reaches_112_its_codes_and_the_engine(dialplan: dict[str, list[str]]) -> None:
    for start in (each for each in dialplan if each.startswith("from-phone-")):
        others = {each for each in reached(dialplan, start) if not INSIDE.match(each)}
        assert others == {start, "desk", "outbound"}


def test_what_agencies_would_send_reaches_nothing(dialplan: dict[str, list[str]]) -> None:
    assert dialplan["from-nowhere"] == []
