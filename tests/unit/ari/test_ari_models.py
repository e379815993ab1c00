import json
from pathlib import Path

import msgspec
import pytest

from ess_pbx.ari import generate
from ess_pbx.ari.models import EVENT_TYPES, Channel, ChannelDtmfReceived, StasisStart
from ess_pbx.errors import RuntimeMissingError, SettingsError
from ess_pbx.runtime import Runtime


def a_declaration(properties: dict[str, dict[str, object]]) -> str:
    def model(name: str, fields: dict[str, dict[str, object]], *subs: str) -> dict[str, object]:
        return {"id": name, "properties": fields, "subTypes": list(subs)}

    kind: dict[str, dict[str, object]] = {"type": {"type": "string", "required": True}}
    models = {
        "Happened": model("Happened", properties),
        "Message": model("Message", kind, "Event"),
        "Event": model("Event", {}, "Happened"),
    }
    return json.dumps({"_copyright": "x", "models": models})


def generated(folder: Path, properties: dict[str, dict[str, object]]) -> str:
    (folder / "events.json").write_text(a_declaration(properties))
    return generate.generate(folder, "22.10.1")


def test_models_are_what_the_installed_asterisk_declares() -> None:
    try:
        rest_api = Runtime.find().data_dir("asterisk") / "rest-api"
    except RuntimeMissingError as missing:
        pytest.skip(str(missing))

    assert generate.main([str(rest_api), "--check"]) == 0


def test_check_fails_and_says_what_to_do_when_the_models_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Runtime, "asterisk_version", lambda _: (22, 10, 1))
    (tmp_path / "events.json").write_text(a_declaration({}))

    assert generate.main([str(tmp_path), "--check"]) == 1
    assert "without --check" in capsys.readouterr().err


def test_only_a_newer_version_number_is_no_difference(tmp_path: Path) -> None:
    text = generated(tmp_path, {})

    assert generate.same_models(text, text.replace("22.10.1", "22.11.0"))
    assert not generate.same_models(text, text.replace("Happened", "Hampered"))


def test_fields_get_python_types_and_what_is_not_required_may_be_missing(tmp_path: Path) -> None:
    text = generated(
        tmp_path,
        {
            "from": {"type": "string", "required": True},
            "cause": {"type": "long"},
            "at": {"type": "Date", "required": True},
            "others": {"type": "List[Event]", "required": True},
            "extra": {"type": "object"},
        },
    )

    assert '    from_: str = msgspec.field(name="from")\n' in text
    assert "    cause: int | None = None\n" in text
    assert "    at: str\n" in text
    assert "    others: list[Event]\n" in text
    assert "    extra: dict[str, Any] | None = None\n" in text
    assert text.index("class Event(") < text.index("class Happened(Event,")


def test_a_type_never_seen_before_is_an_error_that_names_the_field(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Happened\.when has type 'Moment'"):
        generated(tmp_path, {"when": {"type": "Moment"}})


def test_a_folder_without_declarations_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no \*\.json"):
        generate.generate(tmp_path, "22.10.1")


def test_a_broken_declaration_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text("{")

    with pytest.raises(SettingsError, match=r"events\.json"):
        generate.generate(tmp_path, "22.10.1")


def test_every_event_type_is_tagged_with_its_own_name() -> None:
    tags = {name: model.__struct_config__.tag for name, model in EVENT_TYPES.items()}

    assert tags == {name: name for name in EVENT_TYPES}


def test_an_event_decodes_with_fields_newer_than_the_models() -> None:
    channel = {
        **{"id": "1", "protocol_id": "", "name": "Local/1", "state": "Up", "accountcode": ""},
        **{"caller": {"name": "", "number": "0812"}, "connected": {"name": "", "number": ""}},
        "dialplan": {
            **{"context": "c", "exten": "s", "priority": 1, "app_name": "", "app_data": ""}
        },
        **{"creationtime": "2026-01-01T00:00:00.000+0700", "language": "id", "new_field": 1},
    }
    frame = {
        **{"type": "ChannelDtmfReceived", "digit": "5", "duration_ms": 100, "channel": channel},
        **{"application": "ess", "timestamp": "2026-01-01T00:00:00.000+0700", "newer": []},
    }

    event = msgspec.json.decode(json.dumps(frame), type=EVENT_TYPES["ChannelDtmfReceived"])

    assert isinstance(event, ChannelDtmfReceived)
    assert isinstance(event.channel, Channel)
    assert event.channel.caller.number == "0812"
    with pytest.raises(AttributeError):
        event.digit = "6"  # type: ignore[misc]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(frame), type=StasisStart)
