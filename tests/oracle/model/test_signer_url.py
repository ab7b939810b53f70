"""Where a key is, as the config writes it: every form is read, everything else says what to write and repeats nothing."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.model.signer_url import HttpSignerUrl, KmsUrl, Pkcs11Url, read_signer_url

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


def pkcs11(text: str, *, filled: bool = False) -> Pkcs11Url:
    read = read_signer_url(text, filled=filled)
    assert isinstance(read, Pkcs11Url)
    return read


def kms(text: str) -> KmsUrl:
    read = read_signer_url(text)
    assert isinstance(read, KmsUrl)
    return read


def test_every_part_of_a_token_s_key_is_read() -> None:
    text = (
        "pkcs11:token=My%20HSM;serial=0a1b;slot-id=3;object=report%3Bkey;id=%00%ff;type=private?module-path=/lib/p11.so"
    )
    assert pkcs11(f"{text}&pin-value=${{PIN}}") == Pkcs11Url(
        module="/lib/p11.so", token={"token": "My HSM", "serial": "0a1b"}, slot=3, label="report;key", key_id=b"\0\xff",
        pin="${PIN}",
    )  # fmt: skip
    assert pkcs11(f"{text}&pin-source=file:/run/pin").pin == "${file:/run/pin}"
    assert pkcs11(f"{text}&pin-source=file:///run/pin").pin == "${file:/run/pin}"
    assert pkcs11(text).pin is None


@given(words, words, st.binary(min_size=1, max_size=8))
def test_law_what_is_percent_encoded_comes_back(token: str, label: str, key_id: bytes) -> None:
    made = f"pkcs11:token={quote(token, safe='')};object={quote(label, safe='')};id={quote(key_id)}?module-path=%2Fm.so"
    read = pkcs11(made)
    assert (read.token, read.label, read.key_id, read.module) == ({"token": token}, label, key_id, "/m.so")


def test_every_form_of_a_cloud_s_key_is_read() -> None:
    assert kms("kms://eu-west-1/alias/report") == KmsUrl(region="eu-west-1", key_id="alias/report")
    assert kms(ARN) == kms(f"kms://{ARN}") == KmsUrl(region="eu-west-1", key_id=ARN)
    made = kms("kms://us-gov-west-1/1234?endpoint=https%3A%2F%2Fvpce-1.kms.example")
    assert made == KmsUrl(region="us-gov-west-1", key_id="1234", endpoint="https://vpce-1.kms.example")
    assert kms("kms://${REGION}/${KEY}").key_id == "${KEY}"


def test_a_remote_signer_is_read() -> None:
    assert read_signer_url("https://signer:9000/x") == HttpSignerUrl("https://signer:9000/x")
    assert [HttpSignerUrl(u).is_tls for u in ("https://a", "HTTPS://a", "http://a")] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("signer:9000", "write http:// or https:// and a host, pkcs11:token=...;object=...?module-path=..., or kms://"),
        ("https://", "is not a signer's URL"),
        ("http://host:notaport", "is not a signer's URL"),
        ("ftp://secret@host", "is not a signer's URL"),
        ("pkcs11:token=secret;object=b", "names no PKCS#11 module: write ?module-path="),
        ("pkcs11:token=secret?module-path=/m.so", "names no key: write object=LABEL or id=%01"),
        ("pkcs11:object=secret;type=public?module-path=/m.so", "is of type=private"),
        ("pkcs11:object=secret;slot-id=x?module-path=/m.so", "slot-id is a number"),
        ("pkcs11:object=secret;object=b?module-path=/m.so", "says object twice"),
        (
            "pkcs11:object=secret;lable=b?module-path=/m.so",
            "an attribute that is not known here: write id, manufacturer",
        ),
        ("pkcs11:object=a?module-path=/m.so&pin-value=secret", "holds a PIN, and secrets are never in the config"),
        ("pkcs11:object=a?module-path=/m.so&pin-source=|secret", "pin-source is file:/PATH"),
        ("pkcs11:object=a?module-path=/m.so&pin-value=${A}&pin-source=file:/secret", "are two PINs"),
        ("kms://secret/key", "names no AWS region: write kms://eu-west-1/KEY"),
        ("kms://eu-west-1/", "names no KMS key: write kms://REGION/ and the key's id"),
        ("kms://eu-west-1/secret?x=1", "only ?endpoint=https://HOST may follow"),
        ("kms://eu-west-1/secret?endpoint=host", "endpoint is https:// and a host"),
        ("arn:aws:s3:::secret", "is not the ARN of a KMS key"),
        ("arn:aws:kms:eu-west-1:1:secret", "is not the ARN of a KMS key"),
    ],
)
def test_what_is_none_of_them_says_what_to_write_and_repeats_nothing(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_signer_url(text)
    assert says in str(caught.value)
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)
    assert "/secret" not in str(caught.value)


def test_a_pin_may_stand_in_what_a_secret_holds_and_shows_in_no_representation() -> None:
    text = "pkcs11:object=a?module-path=/m.so&pin-value=hunter%262"
    read = pkcs11(text, filled=True)
    assert read.pin == "hunter&2"
    assert "hunter" not in repr(read)
    assert "hunter" not in repr(read_signer_url("https://me:hunter2@signer"))


@given(
    st.text(max_size=60),
    st.sampled_from(["", "pkcs11:", "kms://", "arn:", "http://", "pkcs11:object=a?module-path=m&"]),
)
def test_law_any_text_is_read_or_refused(text: str, start: str) -> None:
    with suppress(ValueError):
        assert read_signer_url(start + text) == read_signer_url(start + text)
