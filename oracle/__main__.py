"""The command line. Commands import what they need when they run, so that --help stays quick."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast

import click

from oracle.cli import (
    api_keys,
    catalog,
    diagnosis,
    earnings,
    inspect,
    moving,
    reloading,
    repair,
    run,
    seats,
    setup,
    staking,
    starting,
    storing,
    upgrade,
    watching,
)
from oracle.cli.secret_files import read_secret_files
from oracle.cli.shell import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", default="config.toml", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format of the log."
)
@click.option("--verbose", is_flag=True, help="Also log every push and connection.")
@click.pass_context
def main(ctx: click.Context, config_path: Path, log: str, verbose: bool) -> None:
    """Market price and redemption rate of liquid staking and restaking tokens, as one signed record.

    Exit status: 0 done, 1 the program failed, 2 usage or config is wrong, 3 the oracle abstained.
    """
    ctx.obj = config_path
    read_secret_files(os.environ)
    _set_up_logging(log, verbose=verbose)


for _command in (
    *starting.COMMANDS,
    *run.COMMANDS,
    *reloading.COMMANDS,
    *inspect.COMMANDS,
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


def _set_up_logging(form: str, *, verbose: bool) -> None:
    import structlog  # noqa: PLC0415 - --help stays quick

    from oracle.runtime.log_output import LogOutput  # noqa: PLC0415 - as well

    render = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=False,
            exception_formatter=structlog.dev.plain_traceback,  # the usual one prints local variables: passphrases too
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if form == "json" else _unchanged,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LogOutput(sys.stderr))),
    )


def _unchanged(_logger: Any, _name: str, event: Any) -> Any:
    return event


if __name__ == "__main__":
    main(prog_name="lrt-oracle")
