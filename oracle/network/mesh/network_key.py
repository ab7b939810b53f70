"""The network key's file: 64 hex digits, readable by its owner only, made where there is none.

It is not encrypted: it has no say about prices and no funds, a process must start without anybody at hand, and whoever takes
it loses it again with the next announcement.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from feeds.errors import LrtOracleError
from oracle.runtime.private_files import private_folder
from oracle.sign import curve

_HEX = 64
_OTHERS = 0o077


class NetworkKeyError(LrtOracleError, RuntimeError):
    """The network key cannot be read or made: which file, and what to do. It never holds the key."""


def load_or_make(path: Path) -> curve.PrivateKey:
    """Read the network key, or make one.

    Raises:
        NetworkKeyError: the file is no key, others may read it, or it cannot be written.
    """
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as e:
        raise NetworkKeyError(f"the network key {path} cannot be read or made: {e.strerror}") from None


def load_or_draw(path: Path) -> curve.PrivateKey:
    """Read the network key, or draw one that is kept nowhere: for who only looks.

    Raises:
        NetworkKeyError: as of `load_or_make`.
    """
    return load_or_make(path) if path.exists() else curve.PrivateKey()


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; where another process was quicker, its key stays."""
    private_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(curve.PrivateKey().secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)


def _read(path: Path) -> curve.PrivateKey:
    if path.stat().st_mode & _OTHERS:
        raise NetworkKeyError(f"others may read the network key {path}: run chmod 600 {path}")
    try:
        text = path.read_text(encoding="ascii").strip().removeprefix("0x")
        secret = bytes.fromhex(text) if len(text) == _HEX else b""
        return curve.PrivateKey(secret)
    except ValueError:
        raise NetworkKeyError(
            f"{path} is no network key of {_HEX} hex digits: move it away, and a new one is made and announced"
        ) from None
