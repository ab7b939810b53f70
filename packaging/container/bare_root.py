"""Carries out the steps of the Containerfile in bare Debian roots, where no container engine runs: debootstrap stands in for the base image.

As root: python3 packaging/container/bare_root.py FOLDER. The last stage is FOLDER/stage1. The base image is Debian with a Python in
/usr/local/bin; here Debian's own python3 is put there. Layers, digests and the engine's own sandbox are not shown by it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = Path(__file__).with_name("Containerfile")
SUITE = "bookworm"
_OF_THE_HOST = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/xdg/pip", "/etc/ssl/certs")
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass
class Stage:
    """A stage of the image: where its root is, and what its instructions have set."""

    root: Path
    name: str = ""
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH, "HOME": "/tmp"})  # noqa: S108 - in the root
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and what follows it, with lines that go on in one."""
    whole = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    for line in whole.splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def run_in(stage: Stage, command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a stage, as its user, in its folder."""
    return subprocess.run(_inside(stage, command), check=check, capture_output=not check, text=True)  # noqa: S603 - the file's own steps


def start_in(stage: Stage, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a command in a stage, as its user, in its folder."""
    return subprocess.Popen(_inside(stage, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - the same


def _inside(stage: Stage, command: list[str]) -> list[str]:
    user, _, group = stage.user.partition(":")
    inside = ["chroot", f"--userspec={user}:{group}", str(stage.root), "/usr/bin/env", "-i", f"--chdir={stage.folder}"]
    given = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.endswith(("_CERT_FILE", "_CA_BUNDLE"))}
    return [*inside, *(f"{k}={v}" for k, v in (given | stage.environ).items()), *command]


def bootstrap(folder: Path) -> Path:
    """A bare Debian with a Python: the base of both stages."""
    base = folder / "base"
    packages = "python3,python3-venv,python3-pip"
    if not (base / "usr/bin/python3").exists():
        _do("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(base))
    (link := base / "usr/local/bin/python").unlink(missing_ok=True)
    link.symlink_to("/usr/bin/python3")
    for name in _OF_THE_HOST:
        if (source := Path(name)).exists():
            (target := base / name.removeprefix("/")).parent.mkdir(parents=True, exist_ok=True)
            _do("cp", "-rL", "--remove-destination", "--no-target-directory", str(source), str(target))
    return base


def build(folder: Path) -> list[Stage]:
    """Carry out the Containerfile; returns its stages."""
    base, stages = bootstrap(folder), list[Stage]()
    for word, rest in instructions(CONTAINERFILE.read_text(encoding="utf-8")):
        if word == "FROM":
            root = folder / f"stage{len(stages)}"
            shutil.rmtree(root, ignore_errors=True)
            _do("cp", "-a", str(base), str(root))
            _do("mount", "--bind", "/dev", str(root / "dev"))
            stages.append(Stage(root=root, name=rest.partition(" AS ")[2]))
        elif word != "ARG":
            print(f"{word} {rest[:100]}", flush=True)  # noqa: T201 - a command of a person
            _step(stages, word, rest)
    return stages


def close(stages: list[Stage]) -> None:
    """Unmount what the stages have."""
    for stage in stages:
        _do("umount", str(stage.root / "dev"))


def _step(stages: list[Stage], word: str, rest: str) -> None:
    stage = stages[-1]
    if word == "RUN":
        run_in(stage, ["sh", "-c", rest])
    elif word == "COPY":
        _copy(stages, rest)
    elif word == "ENV":
        stage.environ |= dict(pair.split("=", 1) for pair in shlex.split(rest))
    elif word == "WORKDIR":
        stage.folder = rest
        (stage.root / rest.removeprefix("/")).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    elif word == "ENTRYPOINT":
        stage.entrypoint = json.loads(rest)
    elif word == "HEALTHCHECK":
        stage.healthcheck = json.loads(rest.partition("CMD ")[2])
    elif word not in {"LABEL", "VOLUME", "EXPOSE", "STOPSIGNAL", "CMD"}:
        raise ValueError(f"{word}: no step that this program knows")


def _copy(stages: list[Stage], rest: str) -> None:
    *sources, target = rest.split()
    source_root = ROOT
    if sources[0].startswith("--from="):
        name = sources.pop(0).removeprefix("--from=")
        source_root = next(s.root for s in stages if s.name == name)
    into = stages[-1].root / os.path.join(stages[-1].folder, target).removeprefix("/")  # noqa: PTH118 - an absolute one wins
    for source in sources:
        path = source_root / source.removeprefix("/")
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, into)


def _do(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - of this file


if __name__ == "__main__":
    made = build(Path(sys.argv[1]).resolve())
    close(made)
