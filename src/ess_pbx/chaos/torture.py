"""SIP messages as hard to read as those of RFC 4475, and messages that are no SIP any more.

Written after the RFC's list of tests, a function a test named as there; not its texts. Whoever
parses them must come to no harm: what is answered does not matter here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from zlib import crc32

CRLF = "\r\n"
_SDP = (
    "v=0\r\no=m 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4 RTP/AVP 8\r\n"
)


def message(
    *,
    line: str = "OPTIONS sip:112@192.0.2.9 SIP/2.0",
    method: str = "OPTIONS",
    body: str = "",
    **changed: str | None,
) -> bytes:
    """A well-formed request with some headers changed; None leaves one out, ``_`` stands for -."""
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK7a1",
        "Max-Forwards": "70",
        "From": "<sip:a@example.com>;tag=98",
        "To": "<sip:112@example.com>",
        "Call-ID": f"torture-{crc32(repr((line, body, changed)).encode())}",
        "CSeq": f"1 {method}",
        "Contact": "<sip:a@192.0.2.1>",
        "Content-Length": str(len(body.encode())),
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    shown = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return CRLF.join([line, *shown, "", body]).encode("utf-8", "surrogateescape")


def invite(line: str = "INVITE sip:112@192.0.2.9 SIP/2.0", **changed: str | None) -> bytes:
    """An INVITE with SDP."""
    changed.setdefault("Content_Type", "application/sdp")
    return message(line=line, method="INVITE", body=changed.pop("body", None) or _SDP, **changed)


def torture() -> dict[str, bytes]:
    """By the RFC's short names of its tests (sections 3.1 to 3.4)."""
    long = "x" * 3000
    return {
        # 3.1.1: valid, and hard to read
        "wsinv": b"INVITE sip:a@example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:b@example.com ;"
        b'  tag    = 1918181833n\r\nfrom   : "J R \\\\\\""       <sip:j@example.com>\r\n  ;'
        b"\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.1@192.0.2.1\r\n"
        b"Content-Length   : 0\r\ncseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n"
        b"    192.0.2.2;branch=390skdjuw\r\ns :\r\nNewFangledHeader:   newfangled value\r\n"
        b" continued newfangled\r\nv:  SIP  / 2.0  / TCP     a.example.com   ;\r\n  branch  ="
        b"   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n "
        b'z9hG4bK30239\r\nm:"Quoted \\"" <sip:j@example.com> ; newparam =\r\n      newvalue ;'
        b"\r\n  secondparam ; q = 0.33\r\n\r\n",
        "intmeth": message(
            line="!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~"
            "(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com SIP/2.0",
            method="!interesting-Method0123456789_*+`.%indeed'~",
        ),
        "esc01": invite("INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0"),
        "escnull": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Contact="<sip:%00@host5.example.com>",
            To="sip:null-%00-null@example.com",
        ),
        "esc02": message(line="RE%47IST%45R sip:example.com SIP/2.0", method="RE%47IST%45R"),
        "lwsdisp": message(From="caller<sip:caller@example.com>;tag=323"),
        "longreq": invite(
            To=f'"I have a user name of {"extremely " * 60} proportion" <sip:u@e.org>',
            Unknown_Long_Header=long,
            Via=",".join(
                f"SIP/2.0/UDP s{n}.example.com;branch=z9hG4bK{long[:80]}{n}" for n in range(34)
            ),
        ),
        "dblreq": message(line="REGISTER sip:example.com SIP/2.0", method="REGISTER") + invite(),
        "semiuri": message(line="OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
        "transports": message(
            Via="SIP/2.0/UNKNOWN 192.0.2.1;branch=z9hG4bK1,SIP/2.0/SCTP "
            "192.0.2.2;branch=z9hG4bK2,SIP/2.0/TLS h;branch=z9hG4bK3"
        ),
        "mpart01": message(
            line="MESSAGE sip:a@example.org SIP/2.0",
            method="MESSAGE",
            Content_Type="multipart/mixed;boundary=7a9cbec02ceef655",
            body="--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n"
            "Content-Transfer-Encoding: binary\r\n\r\nHello\x00\x01\r\n",
        ),
        "unreason": b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\r\nVia: SIP/2.0/UDP 192.0.2.198;"
        b"branch=z9hG4bK1324923\r\nCall-ID: unreason.1\r\nCSeq: 35 INVITE\r\n"
        b"From: sip:u@e.com;tag=1\r\nTo: sip:v@e.com;tag=2\r\nContent-Length: 0\r\n\r\n",
        "noreason": b"SIP/2.0 100 \r\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398\r\n"
        b"Call-ID: noreason.1\r\nCSeq: 35 INVITE\r\nFrom: <sip:u@e.com>;tag=1\r\n"
        b"To: <sip:v@e.com>;tag=2\r\nContent-Length: 0\r\n\r\n",
        # 3.1.2: not valid
        "badinv01": invite(Via="SIP/2.0/UDP 192.0.2.15;;,;,,", Contact='"Joe" <sip:joe@e.org>;;;;'),
        "clerr": invite(Content_Length="9999"),
        "ncl": invite(Content_Length="-999"),
        "scalar02": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            CSeq="36893488147419103232 REGISTER",
            Max_Forwards="300",
            Expires="1000000000000000000000000000000000",
            Contact="<sip:u@h>;expires=280297596632815",
        ),
        "scalarlg": b"SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n"
        b"Call-ID: scalarlg\r\nCSeq: 9292394834772304023312 OPTIONS\r\nRetry-After: "
        b"949302838503028349304023988\r\nFrom: <sip:u@e.com>;tag=1\r\nTo: <sip:v@e.com>;tag=2\r\n"
        b'Warning: 1812 overture "In Progress"\r\nContent-Length: 0\r\n\r\n',
        "quotbal": invite(To='"Mr. J. User <sip:j.user@example.com>'),
        "ltgtruri": invite("INVITE <sip:user@example.com> SIP/2.0"),
        "lwsruri": invite("INVITE sip:user@example.com; lr SIP/2.0"),
        "lwsstart": invite("INVITE  sip:user@example.com  SIP/2.0"),
        "trws": message(line="OPTIONS sip:remote-target@example.com SIP/2.0  "),
        "escruri": invite("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
        "baddate": invite(Date="Fri, 01 Jan 2010 16:00:00 EST"),
        "regbadct": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Contact="sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        ),
        "badaspec": message(To="<sip:t.watson@example.org", From='"Bell, Alexander" <sip:a@e.org'),
        "baddn": message(From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
        "badvers": message(
            line="OPTIONS sip:t.watson@example.org SIP/7.0",
            Via="SIP/7.0/UDP c.example.com;branch=z9hG4bK1",
        ),
        "mismatch01": message(CSeq="8 INVITE"),
        "mismatch02": message(line="NEWMETHOD sip:user@example.com SIP/2.0", CSeq="8 INVITE"),
        "bigcode": b"SIP/2.0 4294967301 better not break the receiver\r\nVia: SIP/2.0/UDP "
        b"192.0.2.105;branch=z9hG4bK2398ndaoe\r\nCall-ID: bigcode.1\r\nCSeq: 353494 INVITE\r\n"
        b"From: <sip:user@example.com>;tag=1\r\nTo: <sip:u2@example.edu>;tag=2\r\n\r\n",
        # 3.2 to 3.4: transactions, applications, old forms
        "badbranch": message(Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
        "insuf": b"INVITE sip:user@example.com SIP/2.0\r\nMax-Forwards: 70\r\n"
        b"Content-Length: 0\r\n\r\n",
        "unkscm": message(line="OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
        "novelsc": message(line="OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"),
        "unksm2": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            To="isbn:2983792873",
            Contact="<name:John_Smith>",
        ),
        "bext01": message(
            Proxy_Require="nothingSupportsThis, nothingSupportsThisEither",
            Require="nothingSupportsThis",
        ),
        "invut": invite(Content_Type="application/unknownformat", body="<audio>x</audio>"),
        "regaut01": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Authorization="NoOneKnowsThisScheme opaque-data=here",
        ),
        "multi01": message().replace(
            b"CSeq:",
            b"CSeq: 5 INVITE\r\nFrom: sip:x@e.com\r\nTo: sip:y@e.com"
            b"\r\nMax-Forwards: 5\r\nCall-ID: multi01\r\nCSeq:",
        ),
        "mcl01": message(body="extra").replace(
            b"Content-Length:", b"Content-Length: 1\r\nContent-Length:"
        ),
        "bcast": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1\r\n"
        b"Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\r\nCall-ID: bcast\r\n"
        b"CSeq: 35 INVITE\r\nFrom: <sip:u@e.com>;tag=1\r\nTo: <sip:v@e.com>;tag=2\r\n\r\n",
        "zeromf": message(Max_Forwards="0"),
        "cparam01": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Contact="sip:+19725552222@gw1.example.net;unknownparam",
        ),
        "cparam02": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Contact="<sip:+1972@gw1.example.net;unknownparam>",
        ),
        "regescrt": message(
            line="REGISTER sip:example.com SIP/2.0",
            method="REGISTER",
            Contact="<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
        ),
        "sdp01": invite(body=_SDP.replace("m=audio 4", "m=audio 999999")),
        "inv2543": b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n"
        b"From: <sip:+13035551111@ift.client.example.net;user=phone>\r\nRecord-Route: "
        b"<sip:UserB@example.com;maddr=ss1.example.com>\r\nTo: sip:+16505552222@ss1.example.net;"
        b"user=phone\r\nCall-ID: inv2543.1717@ift.client.example.com\r\nCSeq: 56 INVITE\r\n"
        b"Content-Type: application/sdp\r\n\r\nv=0\r\n",
    }


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """Those messages with bytes changed, cut, doubled or put in, by chance; the same for a seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    sources = [*torture().values(), message(), invite()]
    for _ in range(count):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0:
                    data[at : at + 1] = chance.randbytes(1)
                case 1:
                    del data[at : at + chance.randint(1, 40)]
                case 2:
                    data[at:at] = data[at : at + chance.randint(1, 60)]
                case _:
                    data[at:at] = chance.randbytes(chance.randint(1, 8))
        yield bytes(data[:60_000])
