"""Writes ``models.py`` from the ``rest-api/*.json`` that the installed Asterisk brings along.

``python -m ess_pbx.ari.generate REST_API_FOLDER [--check]``

Only names and types are taken, which are facts of the interface; the descriptions are Asterisk's
own text (GPL) and stay where they are. The output is the same for the same input, formatted as
``ruff format`` would.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ess_pbx.errors import EssPbxError, SettingsError
from ess_pbx.runtime import Runtime

MODELS_FILE = Path(__file__).with_name("models.py")

_SIMPLE_TYPES = {
    "string": "str",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "boolean": "bool",
    "Date": "str",
    "object": "dict[str, Any]",
}
_ROOT_MODEL = "Message"
_EVENT_MODEL = "Event"
_VERSION_LINE = re.compile(r"^Asterisk version: .*$", re.MULTILINE)

_HEADER = '''"""What Asterisk sends and answers over ARI. Generated; do not edit.

Asterisk version: {version}
Made by ``python -m ess_pbx.ari.generate REST_API_FOLDER``, where REST_API_FOLDER is the
``share/asterisk/rest-api`` of the installed Asterisk. Unknown fields are ignored, so a newer
Asterisk may say more. Dates are ISO 8601 strings with an offset, as they came.
"""

from __future__ import annotations

from typing import Any

import msgspec
'''


class _Property(msgspec.Struct):
    type: str
    required: bool = False


class _Model(msgspec.Struct):
    id: str
    properties: dict[str, _Property]
    sub_types: list[str] = msgspec.field(default_factory=list, name="subTypes")


class _Declaration(msgspec.Struct):
    models: dict[str, _Model] = {}


def generate(rest_api: Path, version: str) -> str:
    """The text of ``models.py`` for the ``rest-api`` folder of Asterisk ``version``.

    Raises SettingsError when the folder is not such a folder, or holds a type not known here.
    """
    models = _read(rest_api)
    parents = {sub: name for name, model in models.items() for sub in model.sub_types}
    unknown = sorted(sub for sub in parents if sub not in models)
    if unknown or _ROOT_MODEL not in models or _EVENT_MODEL not in models:
        raise SettingsError(
            f"{rest_api}: expected the models {_ROOT_MODEL} and {_EVENT_MODEL} and every subtype "
            f"they name; missing subtypes: {unknown}. Give the rest-api folder of Asterisk 22."
        )
    parts = [_HEADER.format(version=version)]
    parts += [_class(models[name], parents, models) for name in _bases_first(models, parents)]
    parts.append(_event_table(models))
    return "\n\n".join(parts)


def _read(rest_api: Path) -> dict[str, _Model]:
    files = sorted(rest_api.glob("*.json"), key=lambda file: file.name)
    if not files:
        raise SettingsError(
            f"{rest_api} holds no *.json; expected the rest-api folder that Asterisk installs, "
            "such as /usr/share/asterisk/rest-api. Name that folder."
        )
    models: dict[str, _Model] = {}
    for file in files:
        try:
            declared = msgspec.json.decode(file.read_bytes(), type=_Declaration)
        except (OSError, msgspec.DecodeError) as error:
            raise SettingsError(
                f"{file}: {error}; expected an ARI declaration (Swagger 1.1 JSON). "
                "Reinstall Asterisk's data files."
            ) from error
        for name, model in declared.models.items():
            if models.setdefault(name, model) != model:
                raise SettingsError(f"{file}: model {name} is declared differently elsewhere.")
    return models


def _bases_first(models: dict[str, _Model], parents: dict[str, str]) -> Iterator[str]:
    """Every model by file and place in it, save that a base comes before what derives from it."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        if name in parents:
            yield from visit(parents[name])
        yield name

    for name in models:
        yield from visit(name)


def _class(model: _Model, parents: dict[str, str], models: dict[str, _Model]) -> str:
    base = parents.get(model.id, "msgspec.Struct")
    options = "frozen=True, kw_only=True"
    if model.id == _ROOT_MODEL:
        # tag=True is inherited: each event's tag is the name of its own class.
        options += ', tag_field="type", tag=True'
    lines = [f"class {model.id}({base}, {options}):"]
    is_message = _descends(model.id, parents)
    for name, declared in model.properties.items():
        if is_message and name == "type":
            continue
        lines.append("    " + _field(name, declared, f"{model.id}.{name}", models))
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def _descends(name: str, parents: dict[str, str]) -> bool:
    while name in parents:
        name = parents[name]
    return name == _ROOT_MODEL


def _field(name: str, declared: _Property, where: str, models: dict[str, _Model]) -> str:
    annotation = _annotation(declared.type, where, models)
    python_name = f"{name}_" if keyword.iskeyword(name) else name
    default = "" if declared.required else "None"
    if not declared.required:
        annotation += " | None"
    if python_name != name:
        inside = f'name="{name}"' if declared.required else f'default=None, name="{name}"'
        default = f"msgspec.field({inside})"
    return f"{python_name}: {annotation}" + (f" = {default}" if default else "")


def _annotation(declared: str, where: str, models: dict[str, _Model]) -> str:
    container = re.fullmatch(r"(List|Map)\[(.+)\]", declared)
    if container:
        inner = _annotation(container[2], where, models)
        return f"list[{inner}]" if container[1] == "List" else f"dict[str, {inner}]"
    if declared in _SIMPLE_TYPES:
        return _SIMPLE_TYPES[declared]
    if declared in models:
        return declared
    raise SettingsError(
        f"{where} has type {declared!r}; expected a model or one of {sorted(_SIMPLE_TYPES)}. "
        "Teach ess_pbx.ari.generate this type."
    )


def _event_table(models: dict[str, _Model]) -> str:
    names = sorted(models[_EVENT_MODEL].sub_types)
    lines = [f"EVENT_TYPES: dict[str, type[{_EVENT_MODEL}]] = {{"]
    lines += [f'    "{name}": {name},' for name in names]
    return "\n".join([*lines, "}"]) + "\n"


def same_models(one: str, other: str) -> bool:
    """Whether two texts of ``models.py`` differ in no more than Asterisk's version."""
    return _VERSION_LINE.sub("", one) == _VERSION_LINE.sub("", other)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write ``models.py`` or ``--check`` it; 0 done or the same, 1 different, 2 unusable input."""
    parser = argparse.ArgumentParser(prog="python -m ess_pbx.ari.generate")
    parser.add_argument("rest_api", type=Path, metavar="REST_API_FOLDER")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    chosen: Any = parser.parse_args(arguments)
    try:
        version = ".".join(map(str, Runtime.find().asterisk_version()))
        text = generate(chosen.rest_api, version)
    except EssPbxError as error:
        print(error, file=sys.stderr)
        return 2
    if not chosen.check:
        MODELS_FILE.write_text(text, encoding="utf-8")
        return 0
    there = MODELS_FILE.read_text(encoding="utf-8") if MODELS_FILE.exists() else ""
    if same_models(text, there):
        return 0
    print(
        f"{MODELS_FILE} is not what Asterisk {version} declares in {chosen.rest_api}. "
        "Run the same command without --check and look at the difference.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
