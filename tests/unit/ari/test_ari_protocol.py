import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess_pbx.ari.models import EVENT_TYPES, ApplicationReplaced, Event
from ess_pbx.ari.protocol import (
    AriProtocol,
    Garbage,
    Late,
    Query,
    Response,
    UnknownEvent,
    event_filter,
    path,
)


def an_answer(request_id: str, status: int = 200, **fields: Any) -> str:
    return json.dumps(
        {
            **{"type": "RESTResponse", "transaction_id": "", "request_id": request_id},
            **{"status_code": status, "reason_phrase": "Words", "uri": "channels"},
            **{"application": "ess", "timestamp": "2026-01-01T00:00:00.000+0000"},
            **fields,
        }
    )


def the_frame_of(method: str, uri: str, query: Query | None = None, body: object = None) -> Any:
    request = AriProtocol().request(method, uri, query=query, body=body, now=0)
    return json.loads(request.frame)


class TestRequests:
    def test_a_request_becomes_the_frame_that_asterisk_reads(self) -> None:
        frame = the_frame_of(
            "POST",
            "channels",
            {
                **{"endpoint": "PJSIP/201", "timeout": 15, "mute": True, "gain": 0.5},
                "formats": ["alaw", "ulaw"],
            },
            {"variables": {"CALL": "c1"}},
        )

        assert frame == {
            **{"type": "RESTRequest", "request_id": "1", "method": "POST", "uri": "channels"},
            "query_strings": [
                {"name": "endpoint", "value": "PJSIP/201"},
                {"name": "timeout", "value": "15"},
                {"name": "mute", "value": "true"},
                {"name": "gain", "value": "0.5"},
                {"name": "formats", "value": "alaw,ulaw"},
            ],
            "content_type": "application/json",
            "message_body": '{"variables":{"CALL":"c1"}}',
        }

    def test_a_bare_request_says_no_more_than_it_must(self) -> None:
        assert the_frame_of("GET", "/channels").keys() == {"type", "request_id", "method", "uri"}

    def test_every_request_has_an_id_of_its_own(self) -> None:
        protocol = AriProtocol()
        ids = {protocol.request("GET", "channels", now=0).id for _ in range(100)}

        assert len(ids) == 100

    def test_a_segment_with_a_slash_stays_one_segment(self) -> None:
        uri = path("channels", "a b/c?d%é", "answer")

        assert uri == "channels/a%20b%2Fc%3Fd%25%C3%A9/answer"
        assert the_frame_of("POST", uri)["uri"] == uri

    def test_what_cannot_stand_in_a_path_is_quoted(self) -> None:
        assert the_frame_of("GET", "channels/a b?c#d")["uri"] == "channels/a%20b%3Fc%23d"

    def test_a_list_item_with_a_comma_is_refused_because_asterisk_would_split_it(self) -> None:
        with pytest.raises(ValueError, match="'b,c' holds a comma"):
            the_frame_of("GET", "asterisk/info", {"only": ["a", "b,c"]})


class TestAnswers:
    def test_an_answer_finds_its_request_whatever_the_order(self) -> None:
        protocol = AriProtocol()
        first = protocol.request("GET", "channels", now=10)
        second = protocol.request("GET", "bridges", now=10)

        got_second = protocol.receive(an_answer(second.id, message_body="[]"), 10.5)
        got_first = protocol.receive(an_answer(first.id, message_body='{"a":1}'), 11)

        assert isinstance(got_second, Response)
        assert (got_second.request, got_second.body, got_second.seconds) == (second, [], 0.5)
        assert isinstance(got_first, Response)
        assert (got_first.request, got_first.body, got_first.seconds) == (first, {"a": 1}, 1)
        assert protocol.pending == 0

    def test_an_answer_without_body_is_none(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("DELETE", "channels/1", now=0)

        got = protocol.receive(an_answer(request.id, 204), 0)

        assert isinstance(got, Response)
        assert got.body is None
        assert got.refusal() is None

    @pytest.mark.parametrize(
        ("body", "words"),
        [('{"message":"Channel not found"}', "Channel not found"), ("", "Words"), ("[]", "Words")],
    )
    def test_an_error_status_is_a_refusal_in_asterisks_words(self, body: str, words: str) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "channels/1", now=0)

        got = protocol.receive(an_answer(request.id, 404, message_body=body), 0)

        assert isinstance(got, Response)
        refused = got.refusal()
        assert refused is not None
        assert (refused.method, refused.uri, refused.status) == ("GET", "channels/1", 404)
        assert refused.reason == words

    def test_an_unusable_body_ends_its_request(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "channels", now=0)

        got = protocol.receive(an_answer(request.id, message_body="<html>"), 0)

        assert isinstance(got, Garbage)
        assert got.request == request
        assert protocol.pending == 0

    def test_an_answer_nobody_waits_for_is_late(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "channels", now=0, timeout=2)
        assert protocol.expired(2) == [request]

        assert protocol.receive(an_answer(request.id), 3) == Late(request_id="1", status=200)
        assert protocol.receive(an_answer("never"), 3) == Late(request_id="never", status=200)

    def test_an_answer_past_its_deadline_counts_while_the_request_was_not_given_up(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "channels", now=0, timeout=2)

        assert isinstance(protocol.receive(an_answer(request.id), 30), Response)


class TestDeadlines:
    def test_requests_expire_by_deadline_each_once(self) -> None:
        protocol = AriProtocol()
        slow = protocol.request("GET", "a", now=0, timeout=5)
        quick = protocol.request("GET", "b", now=1, timeout=2)

        assert protocol.next_deadline() == 3
        assert protocol.expired(2.9) == []
        assert protocol.expired(3) == [quick]
        assert protocol.next_deadline() == 5
        assert protocol.expired(99) == [slow]
        assert protocol.expired(99) == []
        assert protocol.next_deadline() is None

    def test_an_answered_request_has_no_deadline(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "a", now=0)
        protocol.receive(an_answer(request.id), 1)

        assert protocol.next_deadline() is None

    def test_a_lost_connection_gives_up_all_in_order_and_starts_clean(self) -> None:
        protocol = AriProtocol()
        made = [protocol.request("GET", str(n), now=0, timeout=9 - n) for n in range(3)]

        assert protocol.connection_lost() == made
        assert protocol.connection_lost() == []
        assert protocol.next_deadline() is None
        assert protocol.request("GET", "a", now=0).id not in {request.id for request in made}


class TestEvents:
    def test_a_known_event_is_decoded(self) -> None:
        frame = '{"type":"ApplicationReplaced","application":"ess","timestamp":"t"}'

        got = AriProtocol().receive(frame, 0)

        assert got == ApplicationReplaced(application="ess", timestamp="t")

    def test_an_unknown_event_is_handed_on_not_raised(self) -> None:
        got = AriProtocol().receive('{"type":"Tsunami","height":3}', 0)

        assert got == UnknownEvent(type="Tsunami", fields={"type": "Tsunami", "height": 3})

    def test_a_wrong_shaped_known_event_is_garbage_that_says_what_was_wrong(self) -> None:
        got = AriProtocol().receive('{"type":"StasisStart","application":1}', 0)

        assert isinstance(got, Garbage)
        assert got.type == "StasisStart"
        assert "$.application" in got.error

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param("", id="empty"),
            pytest.param("null", id="null"),
            pytest.param("[]", id="list"),
            pytest.param("{}", id="no type"),
            pytest.param('{"type":1}', id="type is a number"),
            pytest.param(b"\xff\xfe", id="not UTF-8"),
            pytest.param("\ud800", id="lone surrogate"),
            pytest.param("[" * 100_000, id="nested too deep"),
            pytest.param('{"type":"New","a":' + "[" * 100_000, id="unknown and nested too deep"),
        ],
    )
    def test_no_message_at_all_is_garbage(self, frame: str | bytes) -> None:
        assert isinstance(AriProtocol().receive(frame, 0), Garbage)

    def test_a_body_nested_too_deep_is_garbage(self) -> None:
        protocol = AriProtocol()
        request = protocol.request("GET", "channels", now=0)

        got = protocol.receive(an_answer(request.id, message_body="[" * 100_000), 0)

        assert isinstance(got, Garbage)

    @given(st.binary() | st.text(st.characters(exclude_categories=())))
    def test_whatever_bytes_come_nothing_is_raised(self, frame: bytes | str) -> None:
        AriProtocol().receive(frame, 0)

    @given(
        st.sampled_from([*EVENT_TYPES, "Other"]),
        st.dictionaries(
            st.sampled_from(["channel", "args", "request_id", "status_code", "message_body"])
            | st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
        ),
    )
    def test_whatever_json_comes_nothing_is_raised(self, type_: str, rest: dict[str, Any]) -> None:
        protocol = AriProtocol()
        protocol.request("GET", "channels", now=0)

        got = protocol.receive(json.dumps({**rest, "type": type_}), 0)

        assert isinstance(got, Response | Late | Event | UnknownEvent | Garbage)


class TestEventFilter:
    def test_our_own_answers_and_our_replacement_always_pass(self) -> None:
        assert event_filter(["StasisStart"]) == {
            "allowed": [
                {"type": "ApplicationReplaced"},
                {"type": "RESTResponse"},
                {"type": "StasisStart"},
            ],
            "disallowed": [],
        }

    def test_no_choice_lets_all_events_pass(self) -> None:
        assert event_filter(None) == {"allowed": [], "disallowed": []}

    def test_a_misspelt_event_is_refused_because_asterisk_would_accept_it(self) -> None:
        with pytest.raises(ValueError, match="StasisStarted"):
            event_filter(["StasisStarted"])
