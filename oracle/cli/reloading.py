"""`lrt-oracle reload`: have a running process read its config anew."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from pathlib import Path

import click

from oracle.cli.shell import Exit, ExitCode, print_result


@click.command()
@click.option("--dry", is_flag=True, help="Only say what would be changed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def reload(config_path: Path, *, dry: bool, as_json: bool) -> None:
    """Have the running process read its config anew: what can change without a restart does, between two rounds.

    A config with an error in it changes nothing. Exit status: 0 done, 2 the config is not taken over, 1 no process answers.
    """
    from oracle.reload.control import ask, socket_path
    from oracle.reload.outcome import lines_of

    question = {"config": str(config_path.absolute()), "dry": dry}
    document = asyncio.run(ask(socket_path(_database(config_path)), question))
    print_result(as_json, document, lines_of(document))
    sys.exit(ExitCode.USAGE if document["errors"] else ExitCode.DONE)


def _database(config_path: Path) -> Path:
    """Of a config that may be wrong in all else: the process itself says what is wrong with it."""
    from oracle.config.tables.process_sections import OracleSection

    try:
        table = tomllib.loads(config_path.read_text(encoding="utf-8-sig"))
    except OSError as e:
        raise Exit(f"{config_path} cannot be read ({e.strerror}): give --config FILE", ExitCode.USAGE) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise Exit(f"{config_path} is not TOML: {e}; nothing is changed", ExitCode.USAGE) from None
    section = table.get("oracle")
    named = section.get("database") if isinstance(section, dict) else None
    return Path(named if isinstance(named, str) else OracleSection().database)


COMMANDS = (reload,)
