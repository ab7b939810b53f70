"""Secrets in files: a folder that systemd or a container engine fills stands in for variables of the environment.

Each file is named like the variable that it stands for. A variable that is set goes before its file.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from pathlib import Path

FOLDERS = ("CREDENTIALS_DIRECTORY", "LRT_ORACLE_SECRETS")
"""Variables that name such a folder: systemd's (LoadCredential), and one for everybody else."""
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def read_secret_files(environ: MutableMapping[str, str]) -> None:
    """Put what the files say into the environment of this process; a line's end behind it is not part of a secret.

    Args:
        environ: of the process.

    Raises:
        OSError: a folder or a file of it cannot be read.
    """
    for variable in FOLDERS:
        folder = environ.get(variable)
        if not folder:
            continue
        for file in sorted(Path(folder).iterdir()):
            if _NAME.fullmatch(file.name) and file.name not in environ and file.is_file():
                environ[file.name] = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
