"""What opens the keys of a demo whose folder is kept: they are of a local chain, and worth nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from oracle.runtime.private_files import private_file


def keep_passphrase(folder: Path, environ: Mapping[str, str], configs: Iterable[Path]) -> list[str]:
    """Write the passphrase of all keys to `passphrase`, readable by its owner; how each config is used with it.

    Args:
        folder: of the demo.
        environ: the passphrase by each variable that holds it.
        configs: of its processes.
    """
    path = (folder / "passphrase").absolute()
    private_file(path)
    (passphrase,) = set(environ.values())
    path.write_text(passphrase + "\n", encoding="utf-8")
    files = " ".join(f"{name}_FILE={path}" for name in environ)
    return [f"the keys are kept: {files} lrt-oracle --config {config} check" for config in configs]
