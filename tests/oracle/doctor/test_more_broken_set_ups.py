"""The other half of broken set-ups: keys, journals, endpoints, limits of this machine."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from demo.world import anvil
from oracle.doctor.findings import Severity
from oracle.doctor.machine import memory_findings
from oracle.sign.eip712 import address_of
from oracle.sign.journal_moves import export_journal, make_ticket
from oracle.sign.journal_witness import JournalWitness, WitnessNote
from oracle.sign.sign_journal import SignJournal
from tests.oracle.check.push_site import KEYS, Site
from tests.oracle.doctor.examined import faults

pytestmark = [pytest.mark.chain, pytest.mark.asyncio(loop_scope="module")]
ROOT = Path(__file__).resolve().parents[3]
GROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20


async def test_15_a_key_that_is_missing(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "0.json").unlink()
    (fault,) = await faults(healthy, "keys")
    assert fault.severity is Severity.CRITICAL
    assert fault.text == f"operators.op0.keyfile: {tmp_path / '0.json'} does not exist"
    assert "lrt-oracle keys new" in fault.advice
    assert "correct the path" in fault.advice
    assert not [f for f in await faults(healthy, "store") if "keyfile" in f.text], "it is told once"


async def test_16_a_passphrase_that_is_wrong(healthy: dict[str, Any]) -> None:
    wrong = {"LRT_ORACLE_PASSPHRASE": "y", "LRT_ORACLE_GAS_PASSPHRASE": "y"}
    bad = await faults(healthy, "keys", environ=wrong)
    assert [f.text.split(": ")[0] for f in bad] == [
        "operators.op0.keyfile",
        "operators.op1.keyfile",
        "targets.t.gas_keyfile",
    ]
    assert {f.severity for f in bad} == {Severity.CRITICAL}
    assert all("does not open" in f.text and "wrong passphrase in" in f.advice for f in bad)
    assert await faults(healthy, "keys", environ={}) == [], (
        "the process may be given it: the config says that it is not set"
    )


async def test_17_a_journal_of_another_key(healthy: dict[str, Any]) -> None:
    first, second = healthy["operators"]
    first["journal"], second["journal"] = second["journal"], first["journal"]
    bad = await faults(healthy, "journals")
    assert [f.severity for f in bad] == [Severity.CRITICAL] * 2
    assert all("is of another key" in f.text and "name this key's own journal" in f.advice for f in bad)


async def test_18_a_journal_that_makes_its_key_mute(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "0.db").unlink()
    now_ms = time.time_ns() // 10**6
    SignJournal(tmp_path / "0.db", address_of(KEYS[0]), now_ms=now_ms, mute_ms=600_000).close()
    (fault,) = await faults(healthy, "journals")
    assert (fault.severity, "its key is mute for" in fault.text) == (Severity.WARNING, True)
    assert fault.advice.startswith("wait; the journal was missing or restored")


async def test_19_a_journal_that_was_moved_away_and_one_that_waits_for_another(
    healthy: dict[str, Any], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    ticket = make_ticket(elsewhere, address_of(KEYS[0]), witness=None, now_ms=0)
    export_journal(
        tmp_path / "0.db",
        address_of(KEYS[0]),
        tmp_path / "moved.json",
        ticket=ticket,
        witness=None,
        now_ms=0,
        window_s=60,
    )
    (tmp_path / "1.db").unlink()
    make_ticket(tmp_path / "1.db", address_of(KEYS[1]), witness=None, now_ms=0)
    sealed, waiting = await faults(healthy, "journals")
    assert {sealed.severity, waiting.severity} == {Severity.CRITICAL}
    assert "was exported: its key signs on another machine" in sealed.text
    assert "take the operator out of this config" in sealed.advice
    assert "waits for the journal of another machine" in waiting.text
    assert "import it here" in waiting.advice


async def test_19_a_journal_from_before_its_key_moved_and_none_beside_a_sealed_witness(
    healthy: dict[str, Any], tmp_path: Path
) -> None:
    healthy["oracle"]["witness"] = str(tmp_path / "witness")
    for key in KEYS[:2]:
        with closing(JournalWitness(tmp_path / "witness", address_of(key))) as witness:
            witness.write(WitnessNote(writes=9, round_s=0, sealed=True))
    (tmp_path / "1.db").unlink()
    before, none = await faults(healthy, "journals")
    assert {before.severity, none.severity} == {Severity.CRITICAL}
    assert "is a copy from before its export" in before.text
    assert "is not there, and its witness says that it was exported" in none.text
    assert all("to bring it back: `lrt-oracle journal ticket`" in f.advice for f in (before, none))


async def test_20_a_database_that_others_may_read(healthy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "o.db").chmod(0o644)
    (fault,) = await faults(healthy, "keys")
    assert (fault.severity, fault.advice) == (Severity.WARNING, f"run chmod 600 {tmp_path / 'o.db'}")


async def test_21_an_endpoint_that_is_dead(healthy: dict[str, Any]) -> None:
    healthy["chains"]["local"]["endpoints"].append("http://127.0.0.1:1")
    (fault,) = await faults(healthy, "endpoints")
    assert (fault.severity, "127.0.0.1:1: UNREACHABLE" in fault.text) == (Severity.WARNING, True)
    assert "try it by hand, or replace it in chains.local.endpoints" in fault.advice
    healthy["chains"]["local"]["endpoints"] = ["http://127.0.0.1:1"]
    assert Severity.CRITICAL in {f.severity for f in await faults(healthy, "endpoints")}


async def test_22_a_head_that_stands_still(healthy: dict[str, Any]) -> None:
    an_hour_ago = str(int(time.time()) - 3_600)
    with anvil.running(extra=("--timestamp", an_hour_ago)) as node:
        await rpc(node.url, "anvil_mine", "0x2")
        healthy["chains"]["local"]["endpoints"] = [node.url]
        bad = await faults(healthy, "endpoints")
    assert any("has a head that is 3" in f.text and "max_head_age_s" in f.text for f in bad), bad
    assert all("it stands still, or this clock is off" in f.advice for f in bad if "has a head" in f.text)


async def test_23_endpoints_that_disagree(site: Site, healthy: dict[str, Any]) -> None:
    """Another chain of the same number: its blocks are other ones."""
    newest = int(await rpc(site.url, "eth_blockNumber"), 16)
    with anvil.running() as node:
        await rpc(node.url, "anvil_mine", hex(newest))
        healthy["chains"]["local"]["endpoints"].append(node.url)
        bad = await faults(healthy, "endpoints")
    assert any("has another block than the other endpoints at the same height" in f.text for f in bad), bad
    assert any("it is on a fork, or lies" in f.advice for f in bad)


async def test_24_few_file_descriptors() -> None:
    told = under("list(file_findings())", few_files)
    assert told == [["files", "warning", "a process may open 256 files: readers of the endpoint take half of them",
                     "raise it: `ulimit -n 8192` before the start, or LimitNOFILE=8192 in the unit"]]  # fmt: skip


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


async def test_25_little_address_space() -> None:
    (told,) = under("list(memory_findings())", little_space)
    assert told[:2] in (["memory", "warning"], ["memory", "critical"])
    assert "the limit of address space (`ulimit -v`, LimitAS) leaves no more" in told[2]
    assert told[3].startswith("raise the limit of address space")


def little_space() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (200 * MIB, 200 * MIB))


async def test_26_a_control_group_with_little_memory() -> None:
    with control_group(128 * MIB) as members:
        (told,) = under("list(memory_findings())", lambda: members.write_text("0"))
    assert told[:2] in (["memory", "warning"], ["memory", "critical"])
    assert "the memory limit of /lrt-oracle-test" in told[2]
    assert "MemoryMax of the unit, --memory" in told[3]


@contextmanager
def control_group(most: int) -> Iterator[Path]:
    """One with a limit; the file that takes its members. Skips the test where this user may make none."""
    kinds = [(GROUPS / "memory", "memory.limit_in_bytes"), (GROUPS, "memory.max")]
    root, limit = next((k for k in kinds if (k[0] / "cgroup.procs").is_file()), kinds[1])
    folder = root / "lrt-oracle-test"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(most))
    except OSError:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip("needs the right to make a control group")
    try:
        yield folder / "cgroup.procs"
    finally:
        folder.rmdir()


@pytest.mark.parametrize("kind", ["", "memory"])
async def test_limits_of_groups_around_count_and_pages_of_files_do_not(tmp_path: Path, kind: str) -> None:
    """The trees of both kinds of control groups, drawn by hand: one machine has one of them."""
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit, usage, of_files = names if kind else ("memory.max", "memory.current", "inactive_file")
    proc, inner = tmp_path / "proc", tmp_path / "groups" / kind / "outer" / "inner"
    (proc / "self").mkdir(parents=True)
    inner.mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"9:cpu:/outer\n4:{kind}:/outer/inner\n" if kind else "0::/outer/inner\n")
    (proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    (inner / limit).write_text("9223372036854771712\n" if kind else "max\n")
    (inner / usage).write_text(f"{500 * MIB}\n")
    assert [f.severity for f in memory_findings(proc, tmp_path / "groups")] == [Severity.OK]
    outer = inner.parent
    (outer / limit).write_text(f"{600 * MIB}\n")
    (outer / usage).write_text(f"{590 * MIB}\n")
    (outer / "memory.stat").write_text(f"cache 1\n{of_files} {190 * MIB}\n")
    (fault,) = memory_findings(proc, tmp_path / "groups")
    assert (fault.severity, fault.text.split(",")[0]) == (Severity.WARNING, "200 MiB of memory are free")
    assert "memory limit of /outer/inner" in fault.text


def under(expression: str, before: Any) -> list[list[str]]:
    """Findings in a process to which something was done before it began."""
    code = (
        "import json; from oracle.doctor.machine import file_findings, memory_findings;"
        f"print(json.dumps([[f.check, f.severity.word, f.text, f.advice] for f in {expression}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, preexec_fn=before
    )
    assert done.returncode == 0, done.stderr
    told: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told


async def rpc(url: str, method: str, *params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        return (await reply.json())["result"]
