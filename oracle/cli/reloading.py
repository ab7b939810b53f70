"""`lrt-oracle reload`: have a running process read its config anew."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, print_result

_NAMED = re.compile(r"""^[ \t]*(?:oracle\.)?database[ \t]*=[ \t]*["']([^"'\n]+)["']""", re.MULTILINE)
"""Where the database stands in a file that is not TOML as a whole."""


@click.command()
@click.option("--dry", is_flag=True, help="Only say what would be changed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def reload(config_path: Path, *, dry: bool, as_json: bool) -> None:
    """Have the running process read its config anew: what can change without a restart does, between two rounds.

    A config with an error in it changes nothing. Exit status: 0 done, 2 the config is not taken over, 1 no process answers.
    """
    from oracle.reload.control import NoProcess, ask, socket_path
    from oracle.reload.outcome import lines_of

    question = {"config": str(config_path.absolute()), "dry": dry}
    database, doubt = _database(config_path)
    try:
        document = asyncio.run(ask(socket_path(database), question))
    except NoProcess:
        if not doubt:
            raise
        text = (
            f"{config_path} {doubt}, so it does not tell where the process answers, and none does at {socket_path(database)};"
            " nothing is changed. Write the whole file, or give --config FILE; or send SIGHUP to the process, and read its log"
        )
        raise Exit(text, ExitCode.USAGE) from None
    print_result(as_json, document, lines_of(document))
    sys.exit(ExitCode.USAGE if document["errors"] else ExitCode.DONE)


def _database(config_path: Path) -> tuple[Path, str]:
    """Of a config that may be wrong in any way: the process itself says what is wrong with it, and counts it.

    Returns:
        The database, or the best guess, and why it is only that; "" where the file says it.
    """
    from oracle.config.tables.process_sections import OracleSection

    usual = Path(OracleSection().database)
    try:
        text = config_path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as e:
        return usual, f"cannot be read ({e.strerror})"
    if not text.strip():
        return usual, "is empty"
    try:
        section = tomllib.loads(text).get("oracle")
    except tomllib.TOMLDecodeError as e:
        found = _NAMED.search(text)
        return (usual if found is None else Path(found[1])), f"is not TOML ({e})"
    named = section.get("database") if isinstance(section, dict) else None
    if isinstance(named, str):
        return Path(named), ""
    return usual, "" if isinstance(section, dict) else "has no [oracle]"


COMMANDS = (reload,)
