"""HTTP messages between installations, signed with a secret that both have.

RFC 9421 (HTTP Message Signatures) with ``hmac-sha256``, and RFC 9530 (Content-Digest), of which
exactly one form is made and taken. A request's signature covers its method, path and content, when
it was made, and a nonce; an answer's covers its status, its content and the request's signature, so
that nobody between can acknowledge what never arrived.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping

from msgspec import Struct

LABEL, TAG = "ess", "ess-pbx-handed-over"
ALGORITHM = "hmac-sha256"
CLOCKS_APART = 300
"""Seconds by which two installations' clocks may differ, and a request may be on its way."""
MOST_NONCES = 100_000

_ASKED = '("@method" "@path" "content-digest")'
_ANSWERED = f'("@status" "content-digest" "signature";req;key="{LABEL}")'
_INPUT = re.compile(
    rf"{LABEL}=(?P<params>{re.escape(_ASKED)};created=(?P<created>[0-9]{{1,12}});"
    r'keyid="(?P<key>[a-z0-9][a-z0-9-]{0,39})";nonce="(?P<nonce>[A-Za-z0-9_-]{16,64})";'
    rf'alg="{ALGORITHM}";tag="{TAG}")'
)
_ANSWER_INPUT = re.compile(
    rf"{LABEL}=(?P<params>{re.escape(_ANSWERED)};created=(?P<created>[0-9]{{1,12}});"
    rf'alg="{ALGORITHM}";tag="{TAG}")'
)
_SIGNATURE = re.compile(rf"{LABEL}=:(?P<bytes>[A-Za-z0-9+/]{{43}}=):")
_DIGEST = re.compile(r"sha-256=:(?P<bytes>[A-Za-z0-9+/]{43}=):")


class Signed(Struct, frozen=True, kw_only=True):
    """What the headers of a request say of its signature; true only once ``is_right`` says so."""

    key: str
    """Whose: the centre that asks."""
    created: int
    nonce: str
    params: str
    signature: str
    digest: str
    """Of the content, base64."""


def digest(content: bytes) -> str:
    """The SHA-256 of some content, base64."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def signed_request(
    secret: bytes, key: str, method: str, path: str, content: bytes, *, created: int, nonce: str
) -> dict[str, str]:
    """The headers of a request. ``created`` is epoch seconds, ``nonce`` 16 to 64 of A-Za-z0-9_-."""
    params = (
        f'{_ASKED};created={created};keyid="{key}";nonce="{nonce}";alg="{ALGORITHM}";tag="{TAG}"'
    )
    covered = _request_base(method, path, digest(content), params)
    return _headers(secret, covered, params, content)


def read_signed(headers: Mapping[str, str]) -> Signed | None:
    """What a request's headers say; None when they are not of the one form that is taken."""
    found = _INPUT.fullmatch(headers.get("Signature-Input", ""))
    signature = _SIGNATURE.fullmatch(headers.get("Signature", ""))
    content = _DIGEST.fullmatch(headers.get("Content-Digest", ""))
    if found is None or signature is None or content is None:
        return None
    return Signed(
        key=found["key"],
        created=int(found["created"]),
        nonce=found["nonce"],
        params=found["params"],
        signature=signature["bytes"],
        digest=content["bytes"],
    )


def is_right(secret: bytes, signed: Signed, method: str, path: str) -> bool:
    """Whether who has the secret asked for this; the content is to be held against ``digest``."""
    covered = _request_base(method, path, signed.digest, signed.params)
    return _matches(secret, covered, signed.signature)


def signed_answer(
    secret: bytes, asked: Signed, status: int, content: bytes, created: int
) -> dict[str, str]:
    """The headers of an answer to a request."""
    params = f'{_ANSWERED};created={created};alg="{ALGORITHM}";tag="{TAG}"'
    covered = _answer_base(status, digest(content), asked.signature, params)
    return _headers(secret, covered, params, content)


def answer_is_right(
    secret: bytes,
    headers: Mapping[str, str],
    status: int,
    content: bytes,
    asked: Mapping[str, str],
) -> bool:
    """Whether an answer is of who has the secret, and to the request with the headers ``asked``."""
    found = _ANSWER_INPUT.fullmatch(headers.get("Signature-Input", ""))
    signature = _SIGNATURE.fullmatch(headers.get("Signature", ""))
    of_request = _SIGNATURE.fullmatch(asked["Signature"])
    if found is None or signature is None or of_request is None:
        return False
    covered = _answer_base(status, digest(content), of_request["bytes"], found["params"])
    return _matches(secret, covered, signature["bytes"])


class Nonces:
    """The nonces of the requests that were taken, for as long as their time counts.

    What is asked again with the same one is not a second request but somebody's copy.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_fresh(self, signed: Signed, now: float) -> bool:
        """Whether a request is of now, and was not seen before; from then on it was."""
        if abs(now - signed.created) > CLOCKS_APART:
            return False
        while self._seen:
            oldest, created = next(iter(self._seen.items()))
            if len(self._seen) < MOST_NONCES and now - created <= 2 * CLOCKS_APART:
                break
            del self._seen[oldest]
        name = signed.key, signed.nonce
        if name in self._seen:
            return False
        self._seen[name] = int(now)
        return True


def _request_base(method: str, path: str, content: str, params: str) -> str:
    return (
        f'"@method": {method}\n"@path": {path}\n"content-digest": sha-256=:{content}:\n'
        f'"@signature-params": {params}'
    )


def _answer_base(status: int, content: str, asked: str, params: str) -> str:
    return (
        f'"@status": {status}\n"content-digest": sha-256=:{content}:\n'
        f'"signature";req;key="{LABEL}": :{asked}:\n"@signature-params": {params}'
    )


def _headers(secret: bytes, covered: str, params: str, content: bytes) -> dict[str, str]:
    mac = hmac.digest(secret, covered.encode(), "sha256")
    return {
        "Content-Digest": f"sha-256=:{digest(content)}:",
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{base64.b64encode(mac).decode()}:",
    }


def _matches(secret: bytes, covered: str, signature: str) -> bool:
    try:
        given = base64.b64decode(signature, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.digest(secret, covered.encode(), "sha256"), given)
