"""The telco and the phone of the benchmark: what they send for what they receive."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import msgspec
import pytest

from ess_pbx.bench import sip_message as sip
from ess_pbx.bench import sip_parties
from ess_pbx.bench.sip_message import Message
from ess_pbx.bench.sip_parties import Caller, Outcome, Party, Phone, Setup

SERVER = ("127.0.0.1", 5060)
SETUP = Setup(
    server=SERVER,
    trunks={"dial": 0},
    number="112",
    caller="+6281234567890",
    extension="1001",
    password="secret",
)


def listened(party: Party) -> list[Message]:
    """What the party sends from now on."""
    sent: list[Message] = []
    party.send = lambda datagram: sent.append(sip.parse(datagram))  # type: ignore[method-assign]
    return sent


def from_server(method: str, call: str = "in-1") -> Message:
    headers = {
        "From": "<sip:112@127.0.0.1>;tag=s",
        "To": "<sip:1001@127.0.0.1>",
        "Call-ID": call,
        "CSeq": f"1 {method}",
    }
    return sip.parse(sip.request(method, "sip:1001@h", SERVER, headers, branch="s1"))


def answer(request: Message, status: str) -> Message:
    return sip.parse(sip.reply(request, status, tag="srv", contact="sip:srv@127.0.0.1:5060"))


@pytest.fixture
def caller() -> Iterator[tuple[Caller, list[Message], Message]]:
    """A caller whose INVITE is out, what it sends after it, and the INVITE."""
    caller = Caller(SETUP, 0)
    sent = listened(caller)
    yield caller, sent, sip.parse(caller.invite())
    caller.close()


@pytest.fixture
def phone() -> Iterator[tuple[Phone, list[Message]]]:
    phone = Phone(SETUP)
    yield phone, listened(phone)
    phone.close()


def test_an_answered_call_is_acknowledged_and_taken_back_with_bye(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, invite = caller
    party.received(answer(invite, "100 Trying"), 0)
    party.received(answer(invite, "200 OK"), 0)
    party.hang_up()

    assert [each.method for each in sent] == ["ACK", "BYE"]
    assert sent[1].start == "BYE sip:srv@127.0.0.1:5060 SIP/2.0"
    assert sent[1].first("to").endswith(";tag=srv")
    assert not party.over
    party.received(answer(sent[1], "200 OK"), 0)
    assert party.over


def test_a_ringing_call_is_cancelled_in_the_same_transaction(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, invite = caller
    party.received(answer(invite, "180 Ringing"), 0)
    party.hang_up()
    party.received(answer(invite, "487 Request Terminated"), 0)

    assert [each.method for each in sent] == ["CANCEL", "ACK"]
    assert sent[0].first("via") == sent[1].first("via") == invite.first("via")
    assert party.over


def test_a_cancel_waits_for_the_first_provisional_response(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, invite = caller
    party.hang_up()
    assert sent == []

    party.received(answer(invite, "100 Trying"), 0)
    party.received(answer(invite, "180 Ringing"), 0)

    assert [each.method for each in sent] == ["CANCEL"]


def test_a_200_that_crossed_the_cancel_is_followed_by_one_bye(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, invite = caller
    party.received(answer(invite, "100 Trying"), 0)
    party.hang_up()
    party.received(answer(invite, "200 OK"), 0)
    party.received(answer(invite, "200 OK"), 0)

    assert [each.method for each in sent] == ["CANCEL", "ACK", "BYE", "ACK"]


def test_a_call_that_the_server_ends_is_over(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, _ = caller
    party.received(from_server("BYE"), 0)

    assert [each.status for each in sent] == [200]
    assert party.over


def test_responses_of_an_earlier_call_are_not_taken_for_this_one(
    caller: tuple[Caller, list[Message], Message],
) -> None:
    party, sent, earlier = caller
    party.invite()
    party.received(answer(earlier, "200 OK"), 0)

    assert sent == []


def test_the_phone_notes_when_it_rang_and_is_idle_after_the_cancelled_call(
    phone: tuple[Phone, list[Message]],
) -> None:
    party, sent = phone
    invite = from_server("INVITE")
    party.received(invite, 111)
    party.received(invite, 222)  # sent once more
    assert party.rung_at == 111
    assert not party.idle

    party.received(from_server("CANCEL"), 333)
    assert [each.status for each in sent] == [180, 200, 487]
    party.received(from_server("ACK"), 444)
    assert party.idle


def test_the_phone_answers_the_servers_options(phone: tuple[Phone, list[Message]]) -> None:
    party, sent = phone
    party.received(from_server("OPTIONS"), 0)

    assert [each.status for each in sent] == [200]


def test_the_phone_registers_with_the_challenge_answered_once(
    phone: tuple[Phone, list[Message]],
) -> None:
    party, sent = phone
    party.register()
    unauthorised = sip.reply(sent[0], "401 Unauthorized", tag="srv")
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nVia:'
    party.received(sip.parse(unauthorised.replace(b"Via:", challenge, 1)), 0)

    assert sent[1].first("cseq") == "2 REGISTER"
    assert 'username="1001"' in sent[1].first("authorization")
    party.received(sip.parse(sip.reply(sent[1], "401 Unauthorized")), 0)
    assert (len(sent), party.registered, party.refused) == (2, False, 401)
    party.received(sip.parse(sip.reply(sent[1], "200 OK")), 0)
    assert party.registered


def test_a_server_that_never_answers_ends_the_process_with_what_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sip_parties, "DEADLINE_SECONDS", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        setup = msgspec.structs.replace(SETUP, server=silent.getsockname())
        code, outcomes = conversation(msgspec.json.encode(setup) + b"\n")

    assert code == 1
    assert "the phone to be registered" in outcomes[0].error


def test_a_server_that_rings_the_phone_is_timed_and_left_without_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sip_parties, "DEADLINE_SECONDS", 5.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve_one_call, args=(server,), daemon=True)
        thread.start()
        setup = msgspec.structs.replace(SETUP, server=server.getsockname())
        code, outcomes = conversation(msgspec.json.encode(setup) + b"\ndial\n")
        thread.join(5)

    assert code == 0
    assert outcomes[0].ready
    assert 0 < outcomes[1].ns < 5e9
    assert not thread.is_alive()


def conversation(said: bytes) -> tuple[int, list[Outcome]]:
    """What the process answers to its standard input; the exit code."""
    questions, answers = os.pipe(), os.pipe()
    os.write(questions[1], said)
    os.close(questions[1])
    code = sip_parties.main(questions[0], answers[1])
    os.close(answers[1])
    with os.fdopen(answers[0], "rb") as file:
        lines = file.read().splitlines()
    os.close(questions[0])
    return code, [msgspec.json.decode(line, type=Outcome) for line in lines]


def serve_one_call(server: socket.socket) -> None:
    """A registrar and B2BUA for one call that is cancelled."""
    server.settimeout(5)

    def take(method: str) -> tuple[Message, tuple[str, int]]:
        while True:
            datagram, source = server.recvfrom(65535)
            message = sip.parse(datagram)
            if message.method == method:
                return message, source

    register, phone = take("REGISTER")
    server.sendto(sip.reply(register, "200 OK", tag="srv"), phone)
    invite, trunk = take("INVITE")
    server.sendto(sip.reply(invite, "180 Ringing", tag="srv"), trunk)
    for method in ("INVITE", "CANCEL", "ACK"):
        leg = from_server(method)
        if method == "CANCEL":
            cancel, _ = take("CANCEL")
            server.sendto(sip.reply(cancel, "200 OK"), trunk)
            server.sendto(sip.reply(invite, "487 Request Terminated", tag="srv"), trunk)
        fields = {name: value for name, value in leg.headers if name != "content-length"}
        branch = {"branch": "s1", "body": ""}
        server.sendto(sip.request(method, "sip:1001@h", SERVER, fields, **branch), phone)
