"""From nothing to a first price: `init`, `check`, `once`, by a process of its own, from local stand-ins."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.packaging.first_price import FEED, first_price, run

ROOT = Path(__file__).resolve().parents[2]
WHEEL = os.environ.get("LRT_ORACLE_WHEEL")


@pytest.mark.loopback
async def test_init_leads_to_a_first_price(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    steps = await first_price([sys.executable, "-m", "oracle"], tmp_path, environ)
    assert [(s.command, s.status) for s in steps] == [("init new", 0), ("check", 0), ("check", 0), ("once", 0)], steps
    made, offline, online, once = (s.document() for s in steps)
    assert made["endpoints"] == ["serves it"] * 2
    assert offline["errors"] == online["errors"] == []
    assert FEED in {r["feed"] for r in once["prices"]}


@pytest.mark.loopback
@pytest.mark.skipif(WHEEL is None, reason="LRT_ORACLE_WHEEL names no wheel: `make wheel` does")
async def test_an_installed_wheel_needs_no_checkout(tmp_path: Path) -> None:
    commands = tmp_path / "venv" / "bin"
    environ = {**os.environ, "HOME": str(tmp_path)}
    for program, *args in (
        (sys.executable, "-m", "venv", str(tmp_path / "venv")),
        (str(commands / "python"), "-m", "pip", "install", "-q", "--only-binary=:all:", str(WHEEL)),
    ):
        step = await run([program], *args, environ=environ, folder=tmp_path)
        assert step.status == 0, step.stderr
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    steps = await first_price([str(commands / "lrt-oracle")], tmp_path, environ)
    assert [s.status for s in steps] == [0, 0, 0, 0], steps
    assert FEED in {r["feed"] for r in steps[-1].document()["prices"]}
    demo = await run([str(commands / "lrt-oracle")], "demo", environ=environ, folder=tmp_path)
    assert demo.status == 1
    assert demo.stderr.count("\n") == 1
    assert "npm install --prefix" in demo.stderr
