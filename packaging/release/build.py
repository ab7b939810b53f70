"""Builds wheel and sdist so that anybody gets the same bytes: python3 packaging/release/build.py FOLDER.

From the files of the commit alone (git archive), with the commit's time as the time of everything. Needs `build` (pip). `--twice` builds in
two folders and compares.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACKEND = Path(__file__).with_name("backend.txt")
"""What writes the wheel: another version of it may write other bytes."""


def build(out: Path, commit: str = "HEAD") -> dict[str, str]:
    """Build both into a folder; returns the SHA-256 of each by its name, and writes them to SHA256SUMS there."""
    time_s = _git("log", "-1", "--format=%ct", commit).decode().strip()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as files:
            files.extractall(folder, filter="data")
        environ = {**os.environ, "SOURCE_DATE_EPOCH": time_s, "PYTHONHASHSEED": "0", "PIP_CONSTRAINT": str(BACKEND)}
        command = [sys.executable, "-m", "build", "--outdir", str(out.resolve()), folder]
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - of this file
    for sdist in out.glob("*.tar.gz"):
        _settle(sdist, int(time_s))
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.glob("lrt_oracle-*"))}
    (out / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), encoding="utf-8")
    return sums


def _settle(sdist: Path, time_s: int) -> None:
    """Files in order, of nobody, and all of one time: setuptools takes the machine's."""
    with tarfile.open(sdist) as packed:
        entries = [(m, packed.extractfile(m).read() if m.isfile() else b"") for m in packed.getmembers()]  # type: ignore[union-attr]
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for member, content in sorted(entries, key=lambda e: e[0].name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime, member.mode = time_s, 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            packed.addfile(member, io.BytesIO(content))
    sdist.write_bytes(gzip.compress(inner.getvalue(), mtime=time_s))


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S603, S607 - of this file


def main(out: Path, *, twice: bool) -> int:
    """Build, and say what came of it; 1 where a second build differs."""
    sums = build(out)
    for name, digest in sums.items():
        print(digest, name)  # noqa: T201 - a command of a person
    if not twice:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        again = build(Path(folder))
    print("the second build is the same" if again == sums else f"the second build differs: {again}")  # noqa: T201 - the same
    return int(again != sums)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), twice="--twice" in sys.argv[2:]))
