"""Every scenario through the command line, as a user runs it: what it claims to show is in its summary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.world.anvil import free_port

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
    summary = demo(tmp_path, "liar", 15)
    assert any("not_recomputed" in r for r in summary["refusals"])
    assert summary["largest_move_bps"]["wdivETH/ETH"] < 20
    assert summary["pushes_landed"] >= 3
