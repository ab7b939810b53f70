"""A SIGHUP that comes while Python still imports ends no service."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FIRST = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and a child inherits that
class Hangup:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGHUP)
            sys.stderr.write("it goes on")
            os._exit(0)
sys.meta_path.insert(0, Hangup())
sys.argv = ["lrt-oracle", *sys.argv[1:]]
import oracle.__main__
"""
"""The first of what is imported sends one."""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["run"], 0),
        (["--config", "check", "--verbose", "--log=json", "serve"], 0),
        (["archive"], 0),
        (["--log", "json", "watch"], 0),
        (["--config", "run", "check"], -signal.SIGHUP),
        ([], -signal.SIGHUP),
    ],
)
def test_a_service_is_not_ended_while_it_imports(words: list[str], status: int) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert ("it goes on" in done.stderr) == (status == 0)
