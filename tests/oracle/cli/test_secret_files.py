"""Secrets in files stand in for variables, and a process with keys leaves no picture of its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.cli.secret_files import FOLDERS, read_secret_files

ROOT = Path(__file__).resolve().parents[3]
STATE = (
    "import ctypes, resource; print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
)
RUNS = f"""
from oracle.cli.shell import run_until_signal
async def work(stop):
    {STATE}
run_until_signal(work)
"""


@pytest.mark.parametrize("variable", FOLDERS)
def test_a_file_stands_in_for_a_variable_that_is_not_set(tmp_path: Path, variable: str) -> None:
    (tmp_path / "PASS_ONE").write_text("first word \n")
    (tmp_path / "PASS_TWO").write_text("second")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "FOLDER").mkdir()
    environ = {variable: str(tmp_path), "PASS_TWO": "set"}
    read_secret_files(environ)
    assert environ == {variable: str(tmp_path), "PASS_TWO": "set", "PASS_ONE": "first word "}


def test_without_a_folder_nothing_changes_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    environ = {"PASS": "x"}
    read_secret_files(environ)
    assert environ == {"PASS": "x"}
    with pytest.raises(OSError, match="missing"):
        read_secret_files({FOLDERS[0]: str(tmp_path / "missing")})


def test_a_command_sees_them_and_says_which_folder_is_wrong(tmp_path: Path) -> None:
    def ran(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "oracle",
            "keys",
            "new",
            str(tmp_path / "k.json"),
            "--passphrase-env",
            "PASS_ONE",
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LRT_")} | {FOLDERS[0]: str(folder)}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    (tmp_path / "PASS_ONE").write_text("a long passphrase\n")
    done = ran(tmp_path)
    assert (done.returncode, (tmp_path / "k.json").is_file()) == (0, True), done.stderr
    wrong = ran(tmp_path / "missing")
    assert wrong.returncode == 1
    assert "missing: No such file or directory" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_a_process_with_keys_leaves_no_core_and_is_not_read_from_outside() -> None:
    def told(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert told(RUNS) == "(0, 0) 0\n"
    assert told(STATE).endswith(" 1\n"), "a control: what any process can be"
