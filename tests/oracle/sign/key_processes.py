"""Another process that uses a report key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OTHER_PROCESS = """
import sys
from pathlib import Path
from oracle.sign.key_lock import KeyLock
from oracle.sign.keyfiles import KeyfileError, save
try:
    hold = KeyLock(Path(sys.argv[1]), Path(sys.argv[2]))
except KeyfileError as e:
    print(e, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


def process_with_key(keyfile: Path, journal: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that wants the key; its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(keyfile), str(journal)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline()


def end_process(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=120)
