"""A process none of whose keys is in it: report keys in a token and in a cloud, the gas key over mutual TLS; its pushes land."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coincurve
import pytest

from demo.testbed import Testbed, running_testbed
from demo.world.anvil import free_port
from oracle.sign.eip712 import address_of
from tests.oracle.sign.remote.certificates import Authority, server_context
from tests.oracle.sign.remote.kms_stand import ACCESS, KEY_ID, REGION, SECRET, kms
from tests.oracle.sign.remote.tokens import MODULE, PIN, needs_softhsm, token_folder
from tests.oracle.sign.remote_signer_server import Stand, served
from tests.oracle.sign.secret_scan import (
    all_answers,
    environment,
    files_in,
    key_accounts,
    secrets_in,
    start_oracle,
    written_forms,
)

pytestmark = [pytest.mark.loopback, pytest.mark.chain, needs_softhsm]


def away(key: coincurve.PrivateKey, url: str, **files: str) -> str:
    lines = {"signer_url": url, "signer_address": "0x" + address_of(key).hex(), **files}
    return "\n".join(f'{name} = "{value}"' for name, value in lines.items())


def without_keyfiles(stand: Testbed, report: list[str], gas: str) -> None:
    """Write a config whose first two operators and whose target have their keys elsewhere; the third operator is left out."""
    before, *operators = stand.config.read_text(encoding="utf-8").split("[[operators]]")
    tail = operators.pop().partition("\n[")
    made = [
        section.replace(next(x for x in section.splitlines() if x.startswith("keyfile")), key)
        for section, key in zip(operators, report, strict=True)
    ]
    text = "[[operators]]".join([before, *made]) + "".join(tail[1:])
    line = next(x for x in text.splitlines() if x.startswith("gas_keyfile"))
    stand.config.write_text(text.replace(line, gas), encoding="utf-8")


async def test_a_process_with_all_its_keys_elsewhere_pushes_and_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"  # what signers keep is not what the process writes
    outside.mkdir()
    tokens: Iterator[Any] = token_folder(outside / "hsm", monkeypatch)
    folder, authority = next(tokens), Authority(outside)
    server, client = authority.vouch("server", hosts=("127.0.0.1",)), authority.vouch("client")
    inside = tmp_path / "process"
    inside.mkdir()
    async with running_testbed(inside, port=free_port()) as stand:
        alpha, beta, gas = (
            coincurve.PrivateKey(bytes(a.key))
            for a in (*stand.world.accounts.operators[:2], stand.world.accounts.pusher)
        )
        folder.load(folder.token("lrt"), "report", alpha)
        async with kms(beta) as cloud, served(Stand(gas), server_context(server, authority.path)) as signer:
            without_keyfiles(
                stand,
                [
                    away(alpha, f"pkcs11:token=lrt;object=report?module-path={MODULE}&pin-value=${{HSM_PIN}}"),
                    away(beta, f"kms://{REGION}/{KEY_ID}?endpoint={cloud.url}"),
                ],
                away(
                    gas, signer.url, signer_ca=authority.path, signer_certificate=client.certificate,
                    signer_private_key=client.private_key,
                ),
            )  # fmt: skip
            for keyfile in inside.glob("*.key.json"):
                keyfile.unlink()
            monkeypatch.setenv("HSM_PIN", PIN)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            process, out = await start_oracle(stand, inside / "out.log")
            try:
                texts = await all_answers(stand)
                environ = environment(process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()
            assert process.returncode == 0
            assert [t for t, _ in cloud.asked].count("TrentService.GetPublicKey") == 1
            assert signer.asked, "the gas key signed the transaction"
            keys = {f"key {i}": list(written_forms(bytes(a.key))) for i, a in enumerate(key_accounts(stand))}  # type: ignore[attr-defined]
            words = {"pin": [PIN.encode()], "aws": [SECRET.encode()]}
            log = out.read_bytes()
            assert b"Traceback" not in log
            assert secrets_in(environ, keys) == []
            texts |= {"log": log, "config": stand.config.read_bytes(), **files_in(inside)}
            assert {name: hits for name, text in texts.items() if (hits := secrets_in(text, keys | words))} == {}
