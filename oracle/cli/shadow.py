"""A shadow run: a config beside reference oracles for days, without anything signed, voted or sent; and the report of it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import (
    LAST_ROUND_S,
    ROUND,
    Exit,
    ExitCode,
    checked_config,
    print_result,
    progress_bar,
    run_until_signal,
)

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(rf"(\d{{1,9}}(?:\.\d{{1,3}})?)\s*({'|'.join(_UNITS_S)})")
_BPS = click.IntRange(1, 10_000)
_PERCENT = click.FloatRange(0, 100, min_open=True)


def length(_: click.Context, __: click.Parameter, text: str | None) -> float:
    """Seconds of a length of time with its unit, as 7d, 36h, 30m or 90s; 0 of none."""
    if text is None:
        return 0.0
    found = _LENGTH.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not 1 <= seconds <= 10 * 366 * _UNITS_S["d"]:
        raise click.BadParameter(f"{text!r}: write a length with its unit, as 7d, 36h, 30m or 90s")
    return seconds


@click.group()
def shadow() -> None:
    """Run a config beside reference oracles without pushing, signing or voting, and report what it was worth."""


@shadow.command("run")
@click.option(
    "--for", "lasting_s", callback=length, metavar="LENGTH", help="How long, as 7d or 36h; default: until interrupted."
)
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where rounds are stored; default: beside oracle.database of the config, with .shadow in its name.",
)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65_535),
    help="Port of the local endpoint and page; default: a free one.",
)
@click.pass_obj
def run_shadow(config_path: Path, lasting_s: float, database: Path | None, port: int) -> None:
    """Make rounds as `run` does, into a database of their own. Ends on SIGTERM or SIGINT, or when --for is over."""
    from oracle.app import App
    from oracle.build import build
    from oracle.cli.banner import log_as_configured, told
    from oracle.cli.switching import switch_of
    from oracle.config.shadow import shadowed
    from oracle.config.tables.schema import ConfigError

    config = checked_config(config_path, network=True)
    alone = shadowed(config, database=database, port=port, lasting_s=lasting_s)
    path = Path(alone.config.oracle.database)
    _not_productions(Path(config.config.oracle.database), path)
    log_as_configured(alone.config)

    async def whole(stop: asyncio.Event) -> None:
        timer = asyncio.get_running_loop().call_later(lasting_s, stop.set) if lasting_s else None
        try:
            await App(build(alone)).run(stop)
        finally:
            if timer is not None:
                timer.cancel()

    try:
        switch_of(alone, config_path, lambda _: alone)  # rounds of another version's rules are refused, as by `run`
        for line in first_lines(alone, lasting_s):
            click.echo(line)
        with told("shadow", alone, config_path):
            run_until_signal(whole, is_service=True)
    except ConfigError as e:
        raise Exit(f"{config_path}:\n{e}", ExitCode.USAGE) from None
    click.echo(f"rounds are in {path}: lrt-oracle --config {config_path} shadow report {path}")


def _not_productions(own: Path, path: Path) -> None:
    """Exit where a shadow run would write into the database of the config."""
    same = own.samefile(path) if own.exists() and path.exists() else own.absolute() == path.absolute()
    if same:
        raise Exit(f"{path} is oracle.database of the config: a shadow run needs a file of its own", ExitCode.USAGE)


def first_lines(alone: ResolvedConfig, lasting_s: float) -> list[str]:
    """What a shadow run is, where it stores its rounds, and which feeds nothing is compared with."""
    from oracle.config.shadow import without_reference

    days = alone.config.retention.rounds_days
    until = f"for {lasting_s:g} s" if lasting_s else "until it is interrupted"
    rows = [
        "shadow run: no keys are opened, nothing is signed, pushed or voted on",
        f"{len(alone.specs)} feeds {until}; rounds are kept for {days} days in {alone.config.oracle.database}",
    ]
    bare = without_reference(alone)
    if bare:
        rows.append(f"without a reference: {', '.join(bare)} (docs/shadow.md, Which references)")
    return rows


@shadow.command("report")
@click.argument("database", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--feed", "feeds", multiple=True, help="This feed alone, several times for several; default: all that have rounds."
)
@click.option(
    "--from", "from_s", type=ROUND, default=0, help="First round_time, Unix seconds; default: the oldest stored."
)
@click.option(
    "--to", "to_s", type=ROUND, default=LAST_ROUND_S, help="Last round_time, Unix seconds; default: the newest."
)
@click.option("--move-bps", type=_BPS, help="Height of a step, of which it is said who made it first; default: the feed's watch_bps, or"
              " the reference's own threshold where that is more.")  # fmt: skip
@click.option("--wait", "wait_s", callback=length, default="1h", show_default=True, metavar="LENGTH",
              help="A step that the other has not made within this is one's alone.")  # fmt: skip
@click.option("--band-bps", type=_BPS, help="A distance that is counted; default: the feed's watch_bps.")
@click.option(
    "--loans", type=click.IntRange(2, 10_000), default=100, show_default=True, help="Loans of the lending market."
)
@click.option(
    "--least-ltv", type=_PERCENT, default=50.0, show_default=True, help="The smallest loan, % of its collateral."
)
@click.option(
    "--most-ltv", type=_PERCENT, default=93.56, show_default=True, help="The largest loan, % of its collateral."
)
@click.option(
    "--liquidation-ltv", type=_PERCENT, default=94.5, show_default=True, help="Loans beyond this are liquidated."
)
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML page that needs nothing else.",
)
@click.option(
    "--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw one feed: .png, .svg or .pdf."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def report_shadow(config_path: Path, /, database: Path | None, as_json: bool, **asked: Any) -> None:
    """Say how a feed lay beside its references: distance, who moved first, status changes, what a market on it would have done.

    DATABASE: of a shadow run, or of any process of this config; default: where `shadow run` stores its rounds.
    """
    from lab.shadow.command import USAGE_ERRORS, shadow_report
    from oracle.config.shadow import shadow_database
    from oracle.storage.reading import DatabaseReader

    resolved = checked_config(config_path)
    path = database or shadow_database(resolved.config)
    if not path.is_file():
        raise Exit(f"no database at {path}: run `lrt-oracle shadow run` first", ExitCode.ABSTAINED)
    reader = DatabaseReader(path)
    try:
        with progress_bar("reading") as progress:
            document, rows = shadow_report(resolved, reader, str(path), _options(progress=progress, **asked))
    except USAGE_ERRORS as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    finally:
        reader.close()
    print_result(as_json, document, rows)


def _options(
    *, move_bps: int | None, band_bps: int | None, wait_s: float, loans: int, least_ltv: float, most_ltv: float,
    liquidation_ltv: float, **plain: Any,
) -> Any:  # fmt: skip
    from lab.outcome.book import BookTerms
    from lab.shadow.command import ShadowReportOptions
    from lab.shadow.feed_report import ReportTerms

    if not least_ltv < most_ltv <= liquidation_ltv:
        raise Exit("write --least-ltv below --most-ltv, and that no more than --liquidation-ltv", ExitCode.USAGE)
    first, last, limit = (round(percent * 100) for percent in (least_ltv, most_ltv, liquidation_ltv))
    book = BookTerms(positions=loans, first_bps=first, last_bps=last, limit_bps=limit)
    return ShadowReportOptions(
        terms=ReportTerms(move_bps=move_bps, band_bps=band_bps, wait_s=int(wait_s), book=book), **plain
    )


COMMANDS = (shadow,)
