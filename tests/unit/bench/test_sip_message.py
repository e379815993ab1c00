"""The little SIP of the benchmark's parties."""

from __future__ import annotations

import re

import pytest

from ess_pbx.bench import sip_message as sip

INVITE = (
    b"INVITE sip:1001@127.0.0.1:4000 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKb\r\n"
    b"From: <sip:112@127.0.0.1>;tag=x\r\n"
    b"To: <sip:1001@127.0.0.1>\r\n"
    b'Contact: "Pusat 112" <sip:asterisk@127.0.0.1:5060>\r\n'
    b"Call-ID: abc\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"\r\nv=0\r\n"
)


def test_a_request_that_was_written_is_read_back() -> None:
    written = sip.request(
        "INVITE",
        "sip:112@127.0.0.1",
        ("127.0.0.1", 4000),
        {"Call-ID": "abc", "CSeq": "1 INVITE"},
        branch="b1",
        body=sip.offer("127.0.0.1", 4002),
    )

    read = sip.parse(written)

    assert (read.method, read.status) == ("INVITE", 0)
    assert read.first("via") == "SIP/2.0/UDP 127.0.0.1:4000;rport;branch=z9hG4bKb1"
    assert read.first("call-id") == "abc"
    assert int(read.first("content-length")) == len(read.body.encode())
    assert "m=audio 4002 RTP/AVP 8 101" in read.body


def test_a_reply_goes_back_over_every_via_and_carries_our_tag_once() -> None:
    ringing = sip.parse(sip.reply(sip.parse(INVITE), "180 Ringing", tag="me", contact="sip:me@h"))

    assert ringing.status == 180
    assert ringing.method == ""
    assert ringing.cseq_method == "INVITE"
    assert [via[-1] for via in ringing.all("via")] == ["a", "b"]
    assert ringing.first("to") == "<sip:1001@127.0.0.1>;tag=me"
    assert ringing.contact_uri == "sip:me@h"

    within_the_dialog = INVITE.replace(b"To: <sip:1001@127.0.0.1>", b"To: <sip:1001@h>;tag=old")
    reply = sip.parse(sip.reply(sip.parse(within_the_dialog), "200 OK", tag="me"))
    assert reply.first("to") == "<sip:1001@h>;tag=old"


@pytest.mark.parametrize(
    "datagram", [b"", b"\0\0\0\0", b"INVITE sip:a SIP/2.0\r\nno colon\r\n\r\n"]
)
def test_what_is_no_sip_message_says_so(datagram: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        sip.parse(datagram)


def test_a_challenge_without_qop_is_answered_as_the_rfc_example() -> None:
    # RFC 2069 §2.4, with the response as corrected by its erratum 749.
    challenge = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )

    answer = sip.authorization(challenge, "GET", "/dir/index.html", "Mufasa", "CircleOfLife")

    assert 'response="1949323746fe6a43ef61f9606e7febea"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer
    assert "qop" not in answer


def test_a_challenge_with_qop_is_answered_as_the_rfc_example() -> None:
    # RFC 2617 §3.5, whose client nonce is the one that the parties use.
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )

    answer = sip.authorization(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")

    assert re.search(r'cnonce="0a4f113b".*response="6629fae49393a05397450978507c4ef1"', answer)
    assert answer.endswith("qop=auth, nc=00000001")
