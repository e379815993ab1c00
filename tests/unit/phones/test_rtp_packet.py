import pytest

from ess_pbx.phones import PhoneError
from ess_pbx.phones.rtp_packet import PCMA, RtpPacket, TelephoneEvent, key_steps


def test_the_header_has_the_octets_of_rfc_3550() -> None:
    packet = RtpPacket(PCMA, 0x1234, 0x01020304, 0xAABBCCDD, b"\xd5\xd5", marker=True)
    assert packet.pack() == bytes.fromhex("80 88 1234 01020304 aabbccdd d5d5")


def test_a_packet_is_parsed_to_what_was_packed() -> None:
    packet = RtpPacket(PCMA, 65535, 2**32 - 1, 1, b"abc")
    assert RtpPacket.parse(packet.pack()) == packet


def test_csrcs_extension_and_padding_are_no_sound() -> None:
    datagram = bytes.fromhex("b1 08 0001 00000002 00000003 99999999 bede 0001 01020304 d5d5 000002")
    parsed = RtpPacket.parse(datagram[:-3] + b"\x00\x02")
    assert parsed is not None
    assert parsed.payload == b"\xd5\xd5"


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x80\x08",
        b"\x00\x01\x00\x00" + b"x" * 16,
        bytes.fromhex("80c80006") + b"x" * 24,
        bytes.fromhex("bf0800010000000200000003"),
    ],
    ids=["empty", "short", "stun", "rtcp", "claims more than it has"],
)
def test_what_is_no_rtp_is_left_alone(noise: bytes) -> None:
    assert RtpPacket.parse(noise) is None


def test_a_key_has_the_octets_of_rfc_4733() -> None:
    assert TelephoneEvent("#", end=True, duration=1280, volume=10).pack() == bytes.fromhex(
        "0b 8a 0500"
    )
    assert TelephoneEvent.parse(bytes.fromhex("05 0a 00a0")) == TelephoneEvent("5", False, 160)


def test_a_hook_flash_is_no_key() -> None:
    assert TelephoneEvent.parse(bytes.fromhex("10 0a 00a0")) is None


def test_a_key_of_100_ms_is_sent_as_updates_and_three_ends() -> None:
    steps = key_steps("7", held_ms=100, pause_ms=40)
    events = [s.event for s in steps if s.event]
    assert [e.duration for e in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [e.end for e in events] == [False] * 4 + [True] * 3
    assert [s.marker for s in steps] == [True] + [False] * 8
    assert [s.event for s in steps[-2:]] == [None, None]


def test_a_key_no_telephone_has_is_refused() -> None:
    with pytest.raises(PhoneError, match="'X' is none of"):
        key_steps("1x", held_ms=100, pause_ms=40)
