"""The question to a phone whether it is there."""

from __future__ import annotations

import pytest

from ess_pbx.sip.options import Target, answers, request, target_of

BRANCH = "z9hG4bK0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("contact", "host", "port"),
    [
        ("sip:1001@192.0.2.7:50306", "192.0.2.7", 50306),
        ("sip:1001@192.0.2.7", "192.0.2.7", 5060),
        ("sip:1001@192.0.2.7:5062;ob;transport=UDP", "192.0.2.7", 5062),
        ("sip:1001@[2001:db8::7]:5062", "2001:db8::7", 5062),
        ("sip:192.0.2.7:5062", "192.0.2.7", 5062),
    ],
)
def test_a_contact_at_an_address_that_udp_reaches_can_be_asked(
    contact: str, host: str, port: int
) -> None:
    assert target_of(contact) == Target(contact, host, port)


@pytest.mark.parametrize(
    "contact",
    [
        "",
        "sips:1001@192.0.2.7",
        "sip:1001@192.0.2.7:5060;transport=ws",
        "sip:1001@192.0.2.7:5060;transport=tcp",
        "sip:1001@phone.example",
        "sip:1001@192.0.2.7:70000",
        "sip:1001@192.0.2.7:0",
        "sip:1001@192.0.2.7\r\nVia: x",
        "sip:1001@abcd.invalid;transport=ws",
    ],
)
def test_no_other_contact_is_asked(contact: str) -> None:
    assert target_of(contact) is None


def test_the_request_is_whole_and_its_response_is_known_by_its_branch() -> None:
    target = target_of("sip:1001@192.0.2.7:50306")
    assert target is not None

    lines = request(target, ("192.0.2.1", 4000), BRANCH).decode().split("\r\n")

    assert lines[0] == "OPTIONS sip:1001@192.0.2.7:50306 SIP/2.0"
    assert lines[-2:] == ["", ""]
    headers = dict(line.split(": ", 1) for line in lines[1:-2])
    assert headers["Via"] == f"SIP/2.0/UDP 192.0.2.1:4000;branch={BRANCH};rport"
    for name in ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"):
        assert headers[name]
    assert answers(f"SIP/2.0 404 Not Found\r\nVia: x;branch={BRANCH}\r\n\r\n".encode(), BRANCH)
    assert not answers(b"SIP/2.0 200 OK\r\nVia: x;branch=z9hG4bKother\r\n\r\n", BRANCH)
    assert not answers(f"OPTIONS sip:x SIP/2.0\r\nVia: x;branch={BRANCH}\r\n".encode(), BRANCH)
