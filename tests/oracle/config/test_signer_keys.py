"""[[operators]] and [targets] with keys that are elsewhere: what is read, what is refused, and what should be known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle.config.check_addresses import provider_notes, secret_problems
from oracle.config.sections import Config, parse
from oracle.config.tables.schema import ConfigError
from tests.oracle.config.small_config import table

STORE = "0x" + "55" * 20
TOKEN = "pkcs11:token=lrt;object=report?module-path=/lib/softhsm.so"
FILES = {"signer_certificate": "c.pem", "signer_private_key": "k.pem"}


def config(*operators: dict[str, Any], **target: Any) -> Config:
    made = [
        {"name": f"o{i}", "journal": f"j{i}", "signer_address": "0x" + f"{i + 1:02d}" * 20, **o}
        for i, o in enumerate(operators)
    ]
    targets = {"t": {"chain": "local", "store": STORE, "signer_address": "0x" + "77" * 20, **target}} if target else {}
    return parse(table(operators=made, targets=targets))


def refused(*operators: dict[str, Any], **target: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        config(*operators, **target)
    return {p.key: p.text for p in caught.value.problems}


@pytest.mark.parametrize(
    "url",
    [
        TOKEN,
        f"{TOKEN}&pin-value=${{PIN}}",
        f"{TOKEN}&pin-value=${{file:/run/secrets/pin}}",
        f"{TOKEN}&pin-source=file:/run/secrets/pin",
        "kms://eu-west-1/alias/report",
        "arn:aws:kms:eu-west-1:111122223333:key/1234",
        "${SIGNER}",
    ],
)
def test_operators_and_targets_take_every_kind_of_key(url: str) -> None:
    assert config({"signer_url": url}).operators[0].signer_url == url
    assert config({"signer_url": "http://a:1"}, signer_url=url).targets["t"].signer_url == url


def test_files_of_tls_belong_to_a_signer_that_is_asked_over_tls() -> None:
    good = config({"signer_url": "https://a:1", "signer_ca": "ca.pem", **FILES}, signer_url="https://b:1", **FILES)
    assert good.operators[0].signer_ca == "ca.pem"
    assert good.targets["t"].signer_private_key == "k.pem"
    for url in ("http://a:1", TOKEN, "kms://eu-west-1/k"):
        told = refused({"signer_url": url, "signer_ca": "ca.pem", **FILES})
        assert told["operators[0].signer_ca"] == (
            "is for a signer that is asked over TLS: write https:// in signer_url, or leave it out"
        )
        assert "operators[0].signer_certificate" in told
    assert "belong together" in str(refused({"signer_url": "https://a:1", "signer_certificate": "c.pem"}))
    assert "belong together" in str(refused({"signer_url": "https://a:1", "signer_private_key": "k.pem"}))
    assert "belong together" in str(refused({"keyfile": "k", "signer_address": None, "signer_ca": "ca.pem"}))


def test_a_pin_is_never_in_the_config_and_never_repeated() -> None:
    told = refused({"signer_url": f"{TOKEN}&pin-value=hunter2"})
    assert "holds a PIN, and secrets are never in the config" in told["operators[0].signer_url"]
    assert "hunter2" not in str(told)


def test_a_secret_may_hold_the_whole_of_it(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("12&3%4;5\n")
    made = config({"signer_url": f"{TOKEN}&pin-value=${{file:{pin}}}"}, signer_url="${SIGNER}")
    assert not list(secret_problems(made, {"SIGNER": f"{TOKEN}&pin-value=1234"})), "there a PIN may stand"
    told = {p.key: p.text for p in secret_problems(made, {"SIGNER": "pkcs11:object=hunter2"})}
    assert list(told) == ["targets.t.signer_url"]
    assert "hunter2" not in str(told)
    pin.unlink()
    assert "cannot be read" in str(list(secret_problems(made, {"SIGNER": "https://a"})))


def test_operators_with_keys_in_one_place_are_told() -> None:
    def notes(*urls: str) -> str:
        made = config(*({"signer_url": u} for u in urls))
        return " ".join(provider_notes(made))

    said = "operators o0 and o1 sign at one place, "
    assert said + "the token of pkcs11:token=lrt" in notes(TOKEN, TOKEN.replace("report", "other"))
    assert said + "AWS KMS" in notes("kms://eu-west-1/a", "arn:aws:kms:us-east-1:111122223333:key/1234")
    assert said not in notes(TOKEN, TOKEN.replace("lrt", "other"))
    assert said not in notes(TOKEN, "kms://eu-west-1/a")
