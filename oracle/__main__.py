"""The command line. Commands import what they need when they run, so that --help stays quick."""

from __future__ import annotations

import signal
import sys

_SERVICES = frozenset({"run", "serve", "archive", "watch", "shadow"})
_WITH_VALUE = frozenset({"--config", "--log"})


def _command(words: list[str]) -> str:
    """The command among the words of a command line; "" where there is none."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, "")
        elif not word.startswith("-"):
            return word
    return ""


if _command(sys.argv[1:]) in _SERVICES:  # before what takes long to import: one that comes meanwhile ends nothing
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

import os
from pathlib import Path

import click

from oracle.cli import (
    api_keys,
    asking,
    catalog,
    diagnosis,
    earnings,
    inspect,
    moving,
    reloading,
    repair,
    run,
    scoring,
    seats,
    setup,
    shadow,
    staking,
    starting,
    storing,
    upgrade,
    watching,
)
from oracle.cli.secret_files import read_secret_files
from oracle.cli.shell import Commands


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from oracle.cli.banner import versions  # noqa: PLC0415 - --help stays quick

    found = versions()
    commit = f" (commit {found['commit']})" if found["commit"] else ""
    click.echo(f"lrt-oracle {found['version']}{commit}")
    for name in ("rules_version", "database_schema", "python", "platform"):
        click.echo(f"{name.replace('_', ' ')} {found[name]}")
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", default="config.toml", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--log", type=click.Choice(["auto", "json", "console"]), help="Format of the log; by default that of the config."
)
@click.option("--verbose", is_flag=True, help="Also log every push and connection, whatever the config says.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the versions of program, rules, database and Python.",
)  # fmt: skip
@click.pass_context
def main(ctx: click.Context, config_path: Path, log: str | None, verbose: bool) -> None:
    """Market price and redemption rate of liquid staking and restaking tokens, as one signed record.

    Exit status: 0 done, 1 the program failed, 2 usage or config is wrong, 3 the oracle abstained.
    """
    ctx.obj = config_path
    read_secret_files(os.environ)
    _set_up_log(log, verbose=verbose)


for _command in (
    *starting.COMMANDS,
    *run.COMMANDS,
    *reloading.COMMANDS,
    *inspect.COMMANDS,
    *asking.COMMANDS,
    *scoring.COMMANDS,
    *shadow.COMMANDS,
    *catalog.COMMANDS,
    *setup.COMMANDS,
    *seats.COMMANDS,
    *earnings.COMMANDS,
    *staking.COMMANDS,
    *repair.COMMANDS,
    *moving.COMMANDS,
    *api_keys.COMMANDS,
    *diagnosis.COMMANDS,
    *storing.COMMANDS,
    *upgrade.COMMANDS,
    *watching.COMMANDS,
):
    main.add_command(_command)


def _set_up_log(form: str | None, *, verbose: bool) -> None:
    """Until a config says how to log: for people, and only what is wrong."""
    from oracle.runtime.logs import LogFormat, LogLevel, set_up_log  # noqa: PLC0415 - --help stays quick

    set_up_log(LogFormat(form or LogFormat.CONSOLE), LogLevel.INFO if verbose else LogLevel.WARNING)


if __name__ == "__main__":
    main(prog_name="lrt-oracle")
