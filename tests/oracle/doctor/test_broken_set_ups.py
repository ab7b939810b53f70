"""`lrt-oracle doctor` on set-ups that are broken in one way each: it finds it, and says what to do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.world import anvil
from oracle.config.resolve import resolve
from oracle.config.sections import parse
from oracle.doctor.examine import Examination
from oracle.doctor.findings import Severity, worst
from oracle.sign.eip712 import address_of
from oracle.sign.key_lock import KeyLock, sole_writer
from tests.oracle.check.push_site import ALL_SET, KEYS, PAID, STRANGER, Site, errors
from tests.oracle.doctor.examined import FAULTS, faults, found
from tests.oracle.storage.small_disk import small_disk

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
ROOT = Path(__file__).resolve().parents[3]


async def test_nothing_is_wrong_with_a_healthy_set_up_beside_a_process_or_without_one(
    healthy: dict[str, Any], tmp_path: Path
) -> None:
    looks = await found(healthy)
    told = {f.text for f in looks if f.severity in FAULTS}
    assert {t for t in told if "nothing is signed without it" not in t and "MiB" not in t} == set()
    assert {f.check for f in looks} == set(Examination(resolve(parse(healthy)), ALL_SET).checks)
    locks = [KeyLock(tmp_path / f"{i}.json", tmp_path / f"{i}.db") for i in range(2)]
    with sole_writer(tmp_path / "o.db"):
        assert await faults(healthy, "keys", "locks", "journals", "database") == []
    for lock in locks:
        lock.close()


async def test_1_a_clock_that_is_off(healthy: dict[str, Any], tmp_path: Path) -> None:
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime")
    told = await doctor_under("+1h", healthy, tmp_path)
    (fault,) = [f for f in told["findings"] if f["severity"] == "critical"]
    assert "behind this machine's clock: nothing is signed" in fault["text"]
    assert "timedatectl set-ntp true" in fault["advice"]
    told = await doctor_under("-10m", healthy, tmp_path)
    assert "ahead of this machine's clock" in told["findings"][0]["text"]


async def doctor_under(offset: str, table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The command in a process whose clock is off; its config is the table."""
    (folder / "table.json").write_text(json.dumps(table))
    code = (
        "import asyncio, json, sys; from oracle.config.resolve import resolve; from oracle.config.sections import parse;"
        "from oracle.doctor.examine import Examination;"
        "e = Examination(resolve(parse(json.load(open(sys.argv[1])))), {});"
        "print(json.dumps({'findings': [f.document() for f in asyncio.run(e.run(['clock']))]}))"
    )
    command = ["faketime", "-f", offset, sys.executable, "-c", code, str(folder / "table.json")]
    environ = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": str(ROOT)}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, env=environ, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


async def test_2_a_disk_that_is_nearly_full(healthy: dict[str, Any], tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        healthy["oracle"]["database"] = str(disk.folder / "o.db")
        (fault,) = [f for f in await faults(healthy, "disk") if str(disk.folder) in f.text]
    assert fault.severity is Severity.CRITICAL
    assert "make room or move oracle.database" in fault.advice


async def test_3_a_keyfile_that_others_may_read(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "0.json").chmod(0o644)
    for _ in range(2):  # who looks leaves it as it is
        (fault,) = await faults(healthy, "keys")
        assert (fault.severity, fault.advice) == (Severity.CRITICAL, f"run chmod 600 {tmp_path / '0.json'}")
    await faults(healthy, "journals", "config")
    assert (tmp_path / "0.json").stat().st_mode & 0o777 == 0o644


async def test_3_a_witness_that_cannot_be_kept(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, why in (("/proc/nope", "keeps no files"), (str(tmp_path / "file" / "deep"), "is no folder")):
        healthy["oracle"]["witness"] = folder
        (fault,) = await faults(healthy, "journals")
        assert (fault.severity, why in fault.text) == (Severity.CRITICAL, True), fault.text
        assert fault.advice == "name another folder in oracle.witness"
        ((key, text),) = await errors(healthy, offline=True)
        assert (key, why in text) == ("oracle.witness", True)
    healthy["oracle"]["witness"] = str(tmp_path / "a" / "new" / "one")
    assert await faults(healthy, "journals") == []
    assert not (tmp_path / "a").exists()


async def test_4_a_key_that_another_process_has(healthy: dict[str, Any], tmp_path: Path) -> None:
    lock = KeyLock(tmp_path / "0.json", tmp_path / "another.db")
    (fault,) = await faults(healthy, "locks")
    lock.close()
    assert "and with another journal than" in fault.text
    assert "stop one of the two" in fault.advice
    lock = KeyLock(tmp_path / "0.json", tmp_path / "0.db")
    (fault,) = await faults(healthy, "locks")
    lock.close()
    assert "none has the database" in fault.text
    assert "fuser -v" in fault.advice


async def test_5_a_journal_that_is_lost_damaged_or_elsewhere(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "0.db").unlink()
    (tmp_path / "1.db").write_bytes(b"\0" * 8_192)
    lost, damaged = await faults(healthy, "journals")
    assert "is not there" in lost.text
    assert "put the journal of this key there" in lost.advice
    assert "is damaged" in damaged.text
    assert "put no older copy there" in damaged.advice


async def test_6_a_damaged_database(healthy: dict[str, Any], tmp_path: Path) -> None:
    size = (tmp_path / "o.db").stat().st_size
    with (tmp_path / "o.db").open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xff" * (size // 3))
    (fault,) = await faults(healthy, "database")
    assert fault.severity is Severity.CRITICAL
    assert "put back a backup" in fault.advice.lower()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """An endpoint of another chain."""
    with anvil.running(extra=("--chain-id", "5")) as node:
        yield node.url


@pytest.fixture(scope="module")
def behind() -> Iterator[str]:
    """An endpoint of the right chain that has no blocks but the first."""
    with anvil.running() as node:
        yield node.url


async def test_7_an_endpoint_of_another_chain(healthy: dict[str, Any], elsewhere: str) -> None:
    healthy["chains"]["local"]["endpoints"].append(elsewhere)
    (fault,) = [f for f in await faults(healthy, "endpoints") if "serves chain" in f.text]
    assert "serves chain 5, not 31337" in fault.text
    assert "correct its address" in fault.advice


async def test_8_an_endpoint_that_is_behind(site: Site, healthy: dict[str, Any], behind: str) -> None:
    await rpc(site.url, "anvil_mine", "0x10")
    healthy["chains"]["local"]["endpoints"].append(behind)
    bad = [f for f in await faults(healthy, "endpoints") if "blocks behind the newest one" in f.text]
    assert [f.severity for f in bad] == [Severity.WARNING]
    assert "replace it in chains.local.endpoints" in bad[0].advice


async def test_9_an_endpoint_without_archive(healthy: dict[str, Any]) -> None:
    with anvil.running(extra=("--prune-history", "16")) as node:
        for _ in range(300):
            await rpc(node.url, "evm_mine")
        healthy["chains"]["local"]["endpoints"] = [node.url]
        bad = await faults(healthy, "endpoints")
    assert any("knows no state of 128 blocks before" in f.text for f in bad), bad


async def test_10_a_source_that_is_dead(healthy: dict[str, Any]) -> None:
    healthy["venues"] = {
        **healthy["venues"],
        "coinbase": {"ws_url": "ws://127.0.0.1:1", "rest_url": "http://127.0.0.1:1"},
    }
    bad = await faults(healthy, "sources")
    assert any("says nothing" in f.text and "replace or remove it" in f.advice for f in bad)
    assert any(f.severity is Severity.CRITICAL and "1 of 2 groups answered" in f.text for f in bad)


async def test_11_a_key_that_is_not_in_the_set(site: Site, healthy: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy(site.keyfile(STRANGER), tmp_path / "s.json")
    healthy["operators"].append({"name": "new", "keyfile": str(tmp_path / "s.json"), "journal": str(tmp_path / "s.db")})
    bad = [f for f in await faults(healthy, "store") if "operator new" in f.text]
    assert [f.severity for f in bad] == [Severity.CRITICAL]
    assert "is not in the signer set of epoch" in bad[0].text
    assert "have the owner add it" in bad[0].advice


async def test_12_gas_for_a_day(site: Site, healthy: dict[str, Any]) -> None:
    price = int(await rpc(site.url, "eth_gasPrice"), 16)
    heartbeat_s = min(s.heartbeat_s for s in resolve(parse(healthy)).specs.values())
    wei = 86_400 // heartbeat_s * 200_000 * price
    payer = f"0x{address_of(PAID).hex()}"
    before = await rpc(site.url, "eth_getBalance", payer, "latest")
    await rpc(site.url, "anvil_setBalance", payer, hex(wei))
    (fault,) = await faults(healthy, "gas")
    await rpc(site.url, "anvil_setBalance", payer, before)
    assert fault.severity is Severity.CRITICAL
    assert f"send ether to {payer}" in fault.advice


async def test_13_a_peer_that_nobody_reaches(healthy: dict[str, Any], tmp_path: Path) -> None:
    alone = {**healthy, "operators": healthy["operators"][:1], "network": {"keyfile": str(tmp_path / "network.key")}}
    other = "0x" + address_of(KEYS[1]).hex()
    alone["network"]["peers"] = {"beta": {"address": other, "url": "wss://127.0.0.1:1"}}
    bad = await faults(alone, "peers")
    assert any("beta is not reached" in f.text and "ask its operator whether it runs" in f.advice for f in bad)
    assert any("no round is sealed" in f.text for f in bad)


async def test_14_a_config_that_the_store_contradicts(healthy: dict[str, Any]) -> None:
    healthy["targets"]["t"]["max_push_age_s"] = 3_600
    bad = await faults(healthy, "store")
    assert any("max_push_age_s" in f.text + f.advice for f in bad), bad
    assert worst(bad) is Severity.CRITICAL


async def rpc(url: str, method: str, *params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        return (await reply.json())["result"]
