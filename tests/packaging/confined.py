"""Runs a command as lrt-oracle.service lets it run, where no systemd runs: its user, file systems, capabilities and calls.

By the kernel itself: a mount namespace with everything read only but one folder and no home, setpriv, PR_SET_MDWE, and a seccomp filter of
the calls that the unit's `SystemCallFilter` names, as `systemd-analyze syscall-filter` spells its sets out. Only root can set that up. Not
shown by it: network namespaces, PrivateUsers, ProtectProc, devices, limits of cgroups.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

NOBODY = 65534
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1
_TOOLS = ("unshare", "setpriv", "mount", "systemd-analyze")
_MOUNTS = """
set -e
mount --bind "$STATE" "$STATE"
home=$(mktemp -d -p "$STATE")
if [ -d /root/.pyenv ]; then mkdir "$home/.pyenv"; mount --rbind /root/.pyenv "$home/.pyenv"; chmod 755 "$home"; fi
mount --rbind "$home" /root
mount -o remount,bind,ro /
cd "$STATE"
exec setpriv --reuid "$ID" --regid "$ID" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
  --ambient-caps=-all "$@"
"""


def missing() -> str:
    """Why a command cannot be run so here; "" where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of Linux can set up what the unit allows"
    if shut := [str(f) for f in Path(__file__).resolve().parents if not f.stat().st_mode & stat.S_IXOTH]:
        return f"the unit's user cannot enter {shut[-1]}"
    lacks = [t for t in _TOOLS if shutil.which(t) is None]
    return f"not installed: {', '.join(lacks)}" if lacks else "" if _library() else "libseccomp is not installed"


def confined(
    command: Sequence[str], *, state: Path, unit: Path, environ: dict[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command as the unit lets it run; `state` is the only folder that it can write to."""
    os.chown(state, NOBODY, NOBODY)
    whole = [
        "unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNTS, "confined",
        sys.executable, str(Path(__file__).resolve()), str(unit), *command,
    ]  # fmt: skip
    environ = {**environ, "STATE": str(state), "ID": str(NOBODY), "TMPDIR": str(state), "HOME": str(state)}
    return subprocess.run(whole, env=environ, cwd=state, capture_output=True, text=True, timeout=timeout_s, check=False)


def allowed_calls(unit: Path) -> set[str]:
    """Names of the system calls that the unit's filter lets through."""
    calls: set[str] = set()
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            named = set(_spelt_out(words.removeprefix("~").split()))
            calls = calls - named if words.startswith("~") else calls | named
    return calls


def _spelt_out(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("@"):
            yield from _spelt_out(_set_of(word))
        else:
            yield word


@cache
def _set_of(name: str) -> tuple[str, ...]:
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    return tuple(line.strip() for line in told.splitlines()[1:] if line.strip() and not line.strip().startswith("#"))


def _library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("seccomp") or "libseccomp.so.2"
    try:
        return ctypes.CDLL(name, use_errno=True)
    except OSError:
        return None


def _limit_calls(unit: Path) -> None:
    library = _library()
    assert library is not None
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    for name in allowed_calls(unit):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0, name
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0)
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    _limit_calls(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command of the test, in place of this program
