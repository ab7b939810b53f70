"""Keys and passphrases are in no config, environment, log, metric, answer, database, representation or traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import coincurve
import pytest

from demo.testbed import running_testbed
from demo.world.anvil import free_port
from oracle.sign.eip712 import address_of
from oracle.sign.keyfiles import KeyfileError, LocalSigner, load, save
from oracle.sign.remote.web3signer import RemoteSigner
from tests.oracle.sign.secret_scan import (
    all_answers,
    environment,
    files_in,
    key_accounts,
    secrets_in,
    start_oracle,
    written_forms,
)

pytestmark = pytest.mark.chain
DYING = """
import asyncio, sys
import coincurve
from oracle.runtime.logs import LogFormat, LogLevel, set_up_log
from oracle.sign.keyfiles import LocalSigner
from oracle.runtime.supervise import Supervisor

class Enough(BaseException): ...

async def task():
    passphrase = "correct horse battery"
    key = coincurve.PrivateKey(bytes.fromhex("5a" * 32))
    signer, secret = LocalSigner(key), key.secret
    raise ValueError("it broke")

async def stop(_):
    raise Enough

set_up_log(LogFormat(sys.argv[1]), LogLevel.INFO)
try:
    asyncio.run(Supervisor({"doomed": task}, sleep=stop).run())
except BaseExceptionGroup:
    pass
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, form], capture_output=True, check=False, timeout=60)
    assert b"it broke" in done.stderr, done.stderr
    assert b"in task" in done.stderr, "the trace itself is wanted"
    secrets = {"key": list(written_forms(bytes.fromhex("5a" * 32))), "passphrase": [b"correct horse"]}
    assert secrets_in(done.stdout + done.stderr, secrets) == []


def test_errors_and_representations_hold_no_secret(tmp_path: Path) -> None:
    key = coincurve.PrivateKey(b"\x5b" * 32)
    save(tmp_path / "k.json", key, "right", iterations=1)
    shown = [repr(LocalSigner(key)), repr(RemoteSigner("http://u:hunter2@127.0.0.1:9000", address_of(key)))]
    for passphrase in ("wrong-secret", None):
        environ = {} if passphrase is None else {"P": passphrase}
        with pytest.raises(KeyfileError) as caught:
            load(tmp_path / "k.json", "P", environ)
        shown.append(f"{caught.value!r} {caught.value.__cause__} {caught.value.__suppress_context__}")
    text = " ".join(shown).encode()
    assert (
        secrets_in(text, {"key": list(written_forms(b"\x5b" * 32)), "words": [b"wrong-secret", b"hunter2", b"right"]})
        == []
    )


async def test_a_running_process_shows_them_nowhere(tmp_path: Path) -> None:
    async with running_testbed(tmp_path, port=free_port()) as stand:
        process, out = await start_oracle(stand, tmp_path / "out.log")
        try:
            texts = await all_answers(stand)
            environ = environment(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        keys = {f"key {i}": list(written_forms(bytes(a.key))) for i, a in enumerate(key_accounts(stand))}
        words = {"passphrase": [v.encode() for v in set(stand.environ.values())]}
        log = out.read_bytes()
        assert b"push" in log
        assert secrets_in(environ, keys) == []
        texts |= {"log": log, "config": stand.config.read_bytes()}
        texts |= files_in(tmp_path)
        assert {"log", "metrics", "oracle.db", "gas.key.json", "alpha.journal.db"} <= set(texts)
        assert {name: hits for name, text in texts.items() if (hits := secrets_in(text, keys | words))} == {}
