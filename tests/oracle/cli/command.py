"""The command line, called as a shell would."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from oracle.__main__ import main


def run(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def document(*args: str) -> Any:
    """What a command prints with ``--json``."""
    return json.loads(run(*args, "--json").stdout)
