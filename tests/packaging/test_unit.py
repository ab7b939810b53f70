"""The systemd unit: systemd reads it, finds little exposed, and the oracle really runs with what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.cli.secret_files import FOLDERS
from tests.packaging.confined import NOBODY, allowed_calls, confined, missing

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "packaging" / "systemd" / "lrt-oracle.service"
NODE = UNIT.with_name("lrt-oracle-node.service")
ARCHIVE = UNIT.with_name("lrt-oracle-archive.service")
TEXT = UNIT.read_text(encoding="utf-8")
MOST_EXPOSURE = 2.0
READS = """
import asyncio, operator, pathlib, sys
from oracle.serve.history import HistoryReaders

if __name__ == "__main__":
    readers = HistoryReaders(pathlib.Path(sys.argv[1]))
    print(asyncio.run(readers.read(operator.methodcaller("newest_sealed_s"))))
    readers.close()
"""
"""A long read of the database, in a process of its own."""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
needs_root = pytest.mark.skipif(missing() != "", reason=missing() or "none")


def said(*arguments: str) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, NODE, ARCHIVE], ids=["oracle", "node", "archive"])
def test_little_is_exposed_by_systemd_s_own_count(unit: Path) -> None:
    told = said("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(rf"Overall exposure level for {unit.name}: ([\d.]+)", told)
    assert found is not None
    assert float(found.group(1)) < MOST_EXPOSURE


@needs_systemd
def test_systemd_reads_every_line_of_it(tmp_path: Path) -> None:
    (path := tmp_path / UNIT.name).write_text(re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", TEXT, flags=re.MULTILINE))
    assert said("verify", str(path)) == ""
    path.write_text(path.read_text() + "\n[Service]\nProtectEverything=yes\n")
    with pytest.raises(AssertionError, match="ProtectEverything"):
        said("verify", str(path))


@needs_systemd
def test_a_node_is_as_hardened_and_has_neither_keys_nor_a_place_to_write(tmp_path: Path) -> None:
    text = NODE.read_text(encoding="utf-8")
    (path := tmp_path / NODE.name).write_text(
        re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    )
    assert said("verify", str(path)) == ""
    assert not re.search(r"^(StateDirectory|ReadWritePaths|LoadCredential|User)=", text, re.MULTILINE)
    own, theirs = (hardening(t) for t in (text, TEXT))
    assert theirs - own == {"SystemCallFilter=setpriority"}, "it reads no database beside its rounds"


def hardening(text: str) -> set[str]:
    """What a unit forbids."""
    part = text.split("# no rights")[1].split("[Install]", maxsplit=1)[0]
    return {line for line in part.splitlines() if line and not line.startswith("#")}


def test_passphrases_come_as_credentials_and_never_in_the_environment() -> None:
    assert FOLDERS[0] == "CREDENTIALS_DIRECTORY"
    credentials = re.findall(r"^LoadCredential=(\w+):/etc/lrt-oracle/credentials/(\w+)$", TEXT, re.MULTILINE)
    assert credentials == [(n, n) for n in ("LRT_ORACLE_PASSPHRASE", "LRT_ORACLE_GAS_PASSPHRASE")]
    assert re.findall(r"^Environment=(.*)$", TEXT, re.MULTILINE) == ["PYTHONDONTWRITEBYTECODE=1"]


@needs_root
def test_calls_of_the_privileged_are_not_let_through() -> None:
    calls = allowed_calls(UNIT)
    assert not calls & {"mount", "ptrace", "bpf", "chown", "setuid", "reboot", "setrlimit"}
    assert {"prlimit64", "sched_getaffinity", "epoll_wait", "fsync", "sendto"} <= calls


def limited(state: Path, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return confined(command, state=state, unit=UNIT, environ=environ, timeout_s=timeout_s)


@pytest.fixture
def state() -> Path:
    """A folder that nobody's user can reach: pytest's own is below one that only its user may enter."""
    folder = Path("/var/tmp") / f"lrt-oracle-{os.getpid()}"  # noqa: S108 - removed below, made anew here
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


@needs_root
def test_what_the_unit_forbids_is_forbidden(state: Path) -> None:
    try:
        lines = "id -u; touch here && echo wrote; touch /var/tmp/x || echo refused; ionice -c 3 true; grep CapEff /proc/self/status"
        done = limited(state, "sh", "-c", lines)
    finally:
        shutil.rmtree(state)
    assert done.stdout.split() == [str(NOBODY), "wrote", "refused", "CapEff:", "0" * 16]
    assert "Read-only file system" in done.stderr
    assert "ioprio_set failed: Operation not permitted" in done.stderr


@needs_root
@pytest.mark.e2e
def test_the_oracle_makes_rounds_signs_and_pushes_with_what_the_unit_leaves(state: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        done = limited(
            state, sys.executable, "-m", "oracle", "demo", "--seconds", "20", "--scenario", "calm", "--port", str(port),
            "--folder", str(state / "demo"), "--json", str(state / "out.json"), timeout_s=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        summary = json.loads((state / "out.json").read_text(encoding="utf-8"))
        (database,) = (state / "demo").rglob("oracle*.db")
        read = limited(state, sys.executable, "-c", READS, str(database))
        assert int(read.stdout) > 0, read.stderr
    finally:
        shutil.rmtree(state)
    assert summary["rounds"] > 0
    assert summary["pushes_landed"] > 0
