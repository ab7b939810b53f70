"""Keys and passphrases are in no config, environment, log, metric, answer, database, representation or traceback."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import coincurve
import pytest

from demo.testbed import Testbed, running_testbed
from demo.world.anvil import free_port
from oracle.sign.eip712 import address_of
from oracle.sign.keyfiles import KeyfileError, LocalSigner, load, save
from oracle.sign.remote_signer import RemoteSigner

pytestmark = pytest.mark.chain
DYING = """
import asyncio, sys
import coincurve
from oracle.__main__ import _set_up_logging
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

_set_up_logging(sys.argv[1], verbose=True)
try:
    asyncio.run(Supervisor({"doomed": task}, sleep=stop).run())
except BaseExceptionGroup:
    pass
"""


def forms(secret: bytes) -> Iterator[bytes]:
    """Every way in which a secret may be written."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield str(int.from_bytes(secret, "big")).encode()
    yield base64.b64encode(secret).rstrip(b"=")[:-1]
    yield repr(secret)[2:-1].encode()


def found(text: bytes, secrets: dict[str, list[bytes]]) -> list[str]:
    return [name for name, written in secrets.items() if any(form in text for form in written)]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_local_variables(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, form], capture_output=True, check=False, timeout=60)
    assert b"it broke" in done.stderr, done.stderr
    assert b"in task" in done.stderr, "the trace itself is wanted"
    secrets = {"key": list(forms(bytes.fromhex("5a" * 32))), "passphrase": [b"correct horse"]}
    assert found(done.stdout + done.stderr, secrets) == []


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
    assert found(text, {"key": list(forms(b"\x5b" * 32)), "words": [b"wrong-secret", b"hunter2", b"right"]}) == []


async def test_a_running_process_shows_them_nowhere(tmp_path: Path) -> None:
    async with running_testbed(tmp_path, port=free_port()) as stand:
        process, out = await start(stand, tmp_path / "out.log")
        try:
            texts = await visit(stand)
            environ = environment(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        keys = {f"key {i}": list(forms(bytes(a.key))) for i, a in enumerate(accounts(stand))}
        words = {"passphrase": [v.encode() for v in set(stand.environ.values())]}
        log = out.read_bytes()
        assert b"push" in log
        assert found(environ, keys) == []
        texts |= {"log": log, "config": stand.config.read_bytes()}
        texts |= files(tmp_path)
        assert {"log", "metrics", "oracle.db", "gas.key.json", "alpha.journal.db"} <= set(texts)
        assert {name: hits for name, text in texts.items() if (hits := found(text, keys | words))} == {}


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def accounts(stand: Testbed) -> list[object]:
    return [*stand.world.accounts.operators, stand.world.accounts.pusher]


async def start(stand: Testbed, log: Path) -> tuple[asyncio.subprocess.Process, Path]:
    args = [sys.executable, "-m", "oracle", "--config", str(stand.config), "--verbose", "run"]
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *args, env={**os.environ, **stand.environ}, stdout=file, stderr=file
        )
    return process, log


async def visit(stand: Testbed) -> dict[str, bytes]:
    """Ask everything that the process answers, once a push has landed."""
    port = next(line for line in stand.config.read_text().splitlines() if line.startswith("port = ")).split()[-1]
    base = f"http://127.0.0.1:{port}"
    paths = {"metrics": "/metrics", "prices": "/v1/prices", "feeds": "/v1/feeds", "ready": "/readyz", "page": "/"}
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> bytes:
            async with session.get(base + path) as reply:
                return await reply.read()

        for _ in range(300):
            try:
                if b"lrt_oracle_pushes_landed_total{" in await get("/metrics"):
                    break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("no push landed")
        return {name: await get(path) for name, path in paths.items()}
