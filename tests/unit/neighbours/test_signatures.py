"""Signed messages: true as they were made, and worth nothing once anything in them differs."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

import pytest

from ess_pbx.neighbours import signatures
from ess_pbx.neighbours.signatures import (
    CLOCKS_APART,
    Nonces,
    Signed,
    answer_is_right,
    digest,
    is_right,
    read_signed,
    signed_answer,
    signed_request,
)

SECRET, OTHER = b"s" * 32, b"t" * 32
PATH = "/api/v1/handed-over/selatan/utara/utara-20261122-0001"
CONTENT = b'{"a":1}'
NOW, NONCE = 1_800_000_000, "n" * 22


def request(**changes: str) -> dict[str, str]:
    made = signed_request(SECRET, "utara", "PUT", PATH, CONTENT, created=NOW, nonce=NONCE)
    return {**made, **changes}


def read(headers: dict[str, str]) -> Signed:
    signed = read_signed(headers)
    assert signed is not None
    return signed


def test_a_signature_is_that_of_rfc_9421() -> None:
    headers = request()
    params = headers["Signature-Input"].removeprefix("ess=")
    assert params == (
        f'("@method" "@path" "content-digest");created={NOW};keyid="utara";nonce="{NONCE}";'
        'alg="hmac-sha256";tag="ess-pbx-handed-over"'
    )
    sha = b64encode(hashlib.sha256(CONTENT).digest()).decode()
    base = (
        f'"@method": PUT\n"@path": {PATH}\n"content-digest": sha-256=:{sha}:\n'
        f'"@signature-params": {params}'
    )
    mac = b64encode(hmac.digest(SECRET, base.encode(), "sha256")).decode()
    assert headers["Signature"] == f"ess=:{mac}:"


def test_a_request_is_right_for_who_has_the_secret() -> None:
    signed = read(request())
    assert (signed.key, signed.created, signed.nonce) == ("utara", NOW, NONCE)
    assert signed.digest == digest(CONTENT)
    assert is_right(SECRET, signed, "PUT", PATH)
    assert not is_right(OTHER, signed, "PUT", PATH)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("PUT", PATH.replace("0001", "0002")), ("PUT", PATH + "/")]
)
def test_a_request_is_right_for_its_method_and_path_alone(method: str, path: str) -> None:
    assert not is_right(SECRET, read(request()), method, path)


@pytest.mark.parametrize(
    ("old", "new"),
    [(f"created={NOW}", f"created={NOW + 1}"), ("utara", "barat"), (NONCE, "m" * 22)],
)
def test_nothing_of_what_is_signed_can_be_changed(old: str, new: str) -> None:
    headers = request()
    headers["Signature-Input"] = headers["Signature-Input"].replace(old, new)
    assert not is_right(SECRET, read(headers), "PUT", PATH)


def test_other_content_is_not_what_was_signed() -> None:
    headers = request(**{"Content-Digest": f"sha-256=:{digest(b'other')}:"})
    assert not is_right(SECRET, read(headers), "PUT", PATH)


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
@pytest.mark.parametrize("value", ["", "ess", "ess=::", "ess=:AAAA:", "\x00", "x" * 10_000])
def test_headers_of_any_other_form_say_nothing(name: str, value: str) -> None:
    assert read_signed(request(**{name: value})) is None


def test_fewer_covered_components_are_another_form() -> None:
    weaker = request()["Signature-Input"].replace('"@path" ', "")
    assert read_signed(request(**{"Signature-Input": weaker})) is None


def test_a_request_counts_once_and_now() -> None:
    nonces, signed = Nonces(), read(request())
    assert not nonces.is_fresh(signed, NOW + CLOCKS_APART + 1)
    assert not nonces.is_fresh(signed, NOW - CLOCKS_APART - 1)
    assert nonces.is_fresh(signed, NOW)
    assert not nonces.is_fresh(signed, NOW)


def test_nonces_are_kept_as_long_as_their_requests_could_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signatures, "MOST_NONCES", 2)
    nonces = Nonces()
    for at in range(5):
        made = signed_request(
            SECRET, "utara", "PUT", PATH, CONTENT, created=NOW, nonce=f"{at}" * 20
        )
        assert nonces.is_fresh(read(made), NOW)
    assert len(nonces._seen) == 2
    late = NOW + 2 * CLOCKS_APART + 1
    fresh = signed_request(SECRET, "utara", "PUT", PATH, CONTENT, created=late, nonce=NONCE)
    assert nonces.is_fresh(read(fresh), late)
    assert len(nonces._seen) == 1


def test_an_answer_is_right_for_the_request_it_answers() -> None:
    asked = request()
    given = signed_answer(SECRET, read(asked), 200, b"ok", NOW)
    assert answer_is_right(SECRET, given, 200, b"ok", asked)
    assert not answer_is_right(OTHER, given, 200, b"ok", asked)
    assert not answer_is_right(SECRET, given, 409, b"ok", asked)
    assert not answer_is_right(SECRET, given, 200, b"no", asked)
    assert not answer_is_right(SECRET, {}, 200, b"ok", asked)
    another = signed_request(SECRET, "utara", "PUT", PATH, b"b", created=NOW, nonce=NONCE)
    assert not answer_is_right(SECRET, given, 200, b"ok", another)
