"""Every scenario through the command line, as a user runs it: what it claims to show is in its summary."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.world.anvil import free_port

_MOST_POLLS = 3_000
"""Ten minutes and more: only a run in which it never happens takes so long."""
pytestmark = [pytest.mark.e2e, pytest.mark.chain]


def demo(tmp_path: Path, scenario: str, seconds: int) -> dict[str, Any]:
    out = tmp_path / "out.json"
    args = ["demo", "--scenario", scenario, "--seconds", str(seconds), "--json", str(out), "--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "oracle", *args], capture_output=True, text=True, timeout=seconds + 90, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = json.loads(out.read_text())
    for feed in summary["feeds"]:
        assert feed["api"] == feed["onchain"], feed
    return summary


def demo_until(tmp_path: Path, scenario: str, happened: Callable[[str], bool]) -> dict[str, Any]:
    """Run a scenario until its metrics say that what is to be shown has happened, however long that takes; then stop it."""
    out, port = tmp_path / "out.json", free_port()
    args = ["demo", "--scenario", scenario, "--json", str(out), "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "oracle", *args], stdout=log, stderr=log)
        try:
            for _ in range(_MOST_POLLS):
                if process.poll() is not None or happened(metrics(port)):
                    break
                time.sleep(0.2)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    assert process.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    summary: dict[str, Any] = json.loads(out.read_text())
    return summary


def metrics(port: int) -> str:
    """What the process counts; "" while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            return str(reply.read().decode())
    except OSError:
        return ""


def counted(text: str, name: str, label: str = "") -> float:
    """Sum of a counter over all its lines with this label."""
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}{{") and label in line)


def path_of(summary: dict[str, Any], feed: str) -> list[str]:
    return [s["to"] for s in summary["states"] if s["feed"] == feed]


def test_depeg_goes_through_watch_and_back_without_flapping(tmp_path: Path) -> None:
    summary = demo(tmp_path, "depeg", 45)
    assert summary["pushes_landed"] >= 10
    for feed in ("wdivETH/ETH", "demoLRT/ETH", "divETH/ETH"):
        assert path_of(summary, feed) == ["watch", "depeg", "watch", "ok"], summary["states"]


def test_a_venue_crash_moves_nothing_and_is_named(tmp_path: Path) -> None:
    summary = demo(tmp_path, "venue-crash", 20)
    rejected = [r for r in summary["rejected"] if r["feed"] == "wdivETH/ETH" and r["code"] == "OUTLIER"]
    assert {r["source"] for r in rejected} == {"binance"}
    assert summary["largest_move_bps"]["wdivETH/ETH"] < 10
    assert path_of(summary, "wdivETH/ETH") == []


def test_a_slash_is_seen_within_two_rounds_and_named_on_the_rebasing_token(tmp_path: Path) -> None:
    summary = demo(tmp_path, "slash", 20)
    seen = summary["slash"]
    assert seen["rounds_until_seen"] <= 2, seen
    assert seen["divETH_redemption"] == "1.000000000000000000"
    named = [s for s in summary["states"] if s["feed"] == "divETH/ETH" and "SLASH" in s["reasons"]]
    assert named, summary["states"]


def test_a_mute_venue_is_stale_by_its_data_s_age(tmp_path: Path) -> None:
    summary = demo(tmp_path, "mute", 40)
    assert [r for r in summary["rejected"] if r["source"] == "kraken" and r["code"] in ("STALE", "TIMED_OUT")]


def test_a_liar_never_gets_its_price_signed(tmp_path: Path) -> None:
    """It runs until the liar has led and others have seen through it, and until three pushes have landed all the same."""
    unsealed: list[float] = []

    def happened(text: str) -> bool:
        unsealed.append(counted(text, "lrt_oracle_rounds_unsealed_total"))
        seen = counted(text, "lrt_oracle_misbehaviour_total", 'kind="wrong_proposal"')
        return seen > 0 and counted(text, "lrt_oracle_pushes_landed_total") >= 3

    summary = demo_until(tmp_path, "liar", happened)
    assert any(m.startswith("beta (wrong_proposal) in round ") for m in summary["misbehaviour"])
    assert {m.split()[0] for m in summary["misbehaviour"]} == {"beta"}, "nobody else is blamed"
    assert max(unsealed) == 0, "a lie costs its attempt, not the round"
    assert summary["largest_move_bps"]["wdivETH/ETH"] < 20
    assert summary["pushes_landed"] >= 3
    for feed in summary["feeds"]:
        assert feed["api"] == feed["onchain"], feed


def test_a_network_s_folder_is_kept_with_what_opens_its_keys(tmp_path: Path) -> None:
    folder, port = tmp_path / "kept", str(free_port())
    args = ["--operators", "4", "--scenario", "calm", "--seconds", "2", "--folder", str(folder), "--port", port]
    done = oracle("demo", *args)
    assert done.returncode == 0, done.stderr[-3000:]
    said = [line for line in (done.stdout + done.stderr).splitlines() if "the keys are kept: " in line]
    assert len(said) == 4, "how each operator's config is used"
    named = dict(word.split("=") for word in said[0].split() if "_FILE=" in word)
    config = said[0].split("--config ")[1].split()[0]
    looked = oracle("--config", config, "doctor", "--only", "keys", **named)
    assert (looked.returncode, "0 critical, 0 warnings" in looked.stdout) == (0, True), looked.stdout
    (folder / "passphrase").write_text("another", encoding="utf-8")
    looked = oracle("--config", config, "doctor", "--only", "keys", **named)
    assert (looked.returncode, "does not open" in looked.stdout) == (1, True), "the control"


def oracle(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "oracle", *args], capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, **environ},
    )  # fmt: skip
