"""Commands that read the database, an archive, or a file."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import ROUND, Exit, ExitCode, checked_config, open_database, print_result, progress_bar

if TYPE_CHECKING:
    from oracle.model.publication import Record
    from oracle.model.roll_up import RollUp

_MOST_RECORDS = 100_000


@click.command()
@click.argument("feed")
@click.option("--round", "round_s", type=ROUND, help="round_time in Unix seconds; default: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def explain(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Show each source of a stored round: its price, weight, age, or why it was rejected."""
    from oracle.serve.explain import explain as explained
    from oracle.serve.explain import lines

    database = open_database(config_path, feed)
    explanation = explained(database, feed, round_s)
    if explanation is None and round_s is not None and (gone := database.withdrawn.of(feed, round_s)):
        raise Exit(f"round {round_s} of {feed} was withdrawn: {gone[-1].why}; verify recomputes it", ExitCode.ABSTAINED)
    if explanation is None:
        raise Exit(f"no round of {feed} is stored" + (f" at {round_s}" if round_s else ""), ExitCode.ABSTAINED)
    print_result(as_json, explanation, lines(explanation))


@click.command()
@click.argument("feed")
@click.option("--round", "round_s", type=ROUND, help="round_time in Unix seconds; default: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def verify(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Recompute a stored round from its inputs and compare it bit for bit. Status 3: made by rules of another version."""
    from oracle.audit.checks import is_good
    from oracle.audit.recompute import verify as recompute
    from oracle.audit.recompute import verify_withdrawn

    database = open_database(config_path, feed)
    wanted = round_s
    if wanted is None:
        newest = database.record(feed)
        wanted = newest.report.round_time_s if newest else 0
    results = [r for o in database.operators(feed) if (r := database.result(o, feed, wanted)) is not None]
    stored = bool(results) or database.record(feed, wanted) is not None or bool(database.older.of(feed, wanted))
    checks = [*(recompute(database, feed, wanted) if stored else ()), *verify_withdrawn(database, feed, wanted)]
    if not checks and not stored:
        raise Exit(f"no round of {feed} is stored at {wanted}", ExitCode.ABSTAINED)
    good, wrong = is_good(checks), any(not c.ok and c.rules is None for c in checks)
    rows = [f"{'rules' if c.rules else 'same ' if c.ok else 'OTHER'}  {c.what}: {c.detail}" for c in checks]
    print_result(as_json, {"feed": feed, "round": wanted, "ok": good, "checks": [asdict(c) for c in checks]}, rows)
    if not wrong and any(c.rules for c in checks):
        sys.exit(ExitCode.ABSTAINED)
    sys.exit(ExitCode.DONE if good else ExitCode.FAILED)


@click.command()
@click.argument("feed")
@click.option("--minutes", default=60, type=click.IntRange(1, 1_000_000_000), show_default=True)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write them to a file that replay reads.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def history(config_path: Path, feed: str, minutes: int, csv_file: Path | None, as_json: bool) -> None:
    """Print the published records of a feed, or export them; of older times its minutes and hours."""
    from oracle.runtime.clock import now_ms
    from oracle.serve.documents import roll_up_document
    from oracle.serve.explain import record_document, record_line, roll_up_line, withdrawn_documents

    since_ms = now_ms() - minutes * 60_000
    if (archived := _archived(config_path, feed, since_ms)) is not None:
        (records, rolled_up, full_rate_s), gone = archived, []
    else:
        database = open_database(config_path, feed)
        records = database.history(feed, since_ms, now_ms(), _MOST_RECORDS)
        rolled_up = database.roll_ups(feed, since_ms, now_ms(), _MOST_RECORDS)
        full_rate_s = database.full_rate_since_s(feed)
        gone = withdrawn_documents(database, feed, since_ms)
    if csv_file is not None:
        from lab.show.export import write

        rows = write(records, csv_file)
        click.echo(f"{rows} rows in {csv_file}", err=True)
        if as_json:
            print_result(as_json, {"feed": feed, "file": str(csv_file), "rows": rows}, [])
        return
    rows_gone = [f"{w['round']}  {w['price']:<16} WITHDRAWN {w['withdrawn']['why']}" for w in gone]
    document = {
        "feed": feed,
        "full_rate_since": full_rate_s or None,
        "records": [record_document(r) for r in records],
        "roll_ups": [roll_up_document(*r) for r in rolled_up],
        "withdrawn": gone,
    }
    lines = [(p.first_s, roll_up_line(step_s, p)) for step_s, p in rolled_up]
    lines += [(r.report.round_time_s, record_line(r)) for r in records]
    print_result(as_json, document, [*(line for _, line in sorted(lines)), *rows_gone])


def _archived(config_path: Path, feed: str, since_ms: int) -> tuple[list[Record], list[tuple[int, RollUp]], int] | None:
    """The same of a node's archive; None where the config names none."""
    from oracle.archive.command import archived_history
    from oracle.model.suggest import nearest

    resolved = checked_config(config_path)
    if resolved.config.node.archive is None:
        return None
    if feed not in resolved.specs:
        raise Exit(f"{feed!r} is not a feed of {config_path}; {nearest(feed, resolved.specs)}", ExitCode.USAGE)
    return asyncio.run(archived_history(resolved, feed, since_ms // 1_000, _MOST_RECORDS))


@click.command()
@click.argument("what", metavar="CASE|FILE|all")
@click.option("--method", help="Use this method in the feed of the case.")
@click.option(
    "--against", default="all", show_default=True, help="Other designs beside ours, comma separated; all or none."
)
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw one case: .png, .svg or .pdf.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recorded series; default: the facts typed in.",
)
@click.option(
    "--columns",
    default="",
    help="Columns of your own table: time=...,price=...,redemption=..., price.NAME=...,depth.NAME=...",
)
@click.option("--feed", default="TOKEN/UNIT", show_default=True, help="Name of your own data.")
@click.option("--like", help="Judge your own data by the method, bands and rules of this feed of the config.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Your own data: bands.watch_dwell_s=60, mode=min, ..."
)
@click.option("--only", metavar="COLUMN=TEXT", help="Your own data: the rows of one token in a table of several.")
@click.option(
    "--between",
    type=click.Choice(["hold", "interpolate", "rows"]),
    default="hold",
    show_default=True,
    help="Your own data: what is assumed of the market between two rows; rows: nothing.",
)
@click.option(
    "--round", "round_s", type=int, help="Your own data: seconds between rounds; default: 10, as in production."
)
@click.option(
    "--gap", "gap_s", type=click.IntRange(1), help="Your own data: rows further apart have a gap; default: 3 spacings."
)
@click.option("--stretch", is_flag=True, help="Your own data: a round a row, all times as much longer.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page that needs nothing else.")
@click.option("--rounds", type=click.Path(path_type=Path), help="Write every round to a .csv or .parquet file.")
@click.option("--methods", default="", help="Columns more in --rounds: the price by each of these methods, or all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def replay(
    config_path: Path,
    /,
    *,
    what: str,
    method: str | None,
    against: str,
    picture: Path | None,
    data: Path | None,
    rounds: Path | None,
    report: Path | None,
    methods: str,
    like: str | None,
    as_json: bool,
    **own: Any,
) -> None:
    """Replay an incident, all of them, or your own data (.csv, .tsv, .parquet): what we and others would have published."""
    from lab.command import USAGE_ERRORS, ReplayOptions, replayed

    specs = checked_config(config_path).specs if like else {}
    if like and like not in specs:
        raise Exit(f"{like!r} is not a feed of {config_path}", ExitCode.USAGE)
    try:
        with progress_bar("replaying") as progress:
            options = ReplayOptions(
                method=method,
                against=against,
                picture=picture,
                data=data,
                rounds=rounds,
                report=report,
                methods=methods,
                own=_data_options(specs[like] if like else None, **own),
                progress=progress,
            )
            passed, document, rows = replayed(what, options)
    except USAGE_ERRORS as e:
        raise Exit(str(e), ExitCode.USAGE) from None
    print_result(as_json, document, rows)
    sys.exit(ExitCode.DONE if passed else ExitCode.FAILED)


def _data_options(like: Any, *, settings: tuple[str, ...], only: str | None, between: str, **plain: Any) -> Any:
    """The options of one's own data."""
    from lab.scenario.rows import Between
    from lab.scenario.user_data import DataOptions
    from lab.tables.settings import setting
    from lab.tables.times import TableError

    column, sign, text = (only or "").partition("=")
    if only and not (sign and column and text):
        raise TableError(f"{only!r}: write --only COLUMN=TEXT, as symbol=USDC")
    return DataOptions(
        like=like,
        settings=dict(map(setting, settings)),
        only=(column, text) if only else None,
        between=Between(between),
        **plain,
    )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", default="median", show_default=True)
@click.option("--outliers", default="mad", show_default=True, help="Filter of outliers, or none.")
@click.option(
    "--floor-bps",
    default=50,
    type=click.IntRange(0, 10_000),
    show_default=True,
    help="A quote nearer than this is never an outlier.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def combine(file: Path, method: str, outliers: str, floor_bps: int, as_json: bool) -> None:
    """Combine quotes in a JSON file: [{"source": "a", "price": "1.05", "group": "a", "depth": "10"}, ...]."""
    from feeds.decode import values
    from feeds.errors import FeedError
    from oracle.combine.quotes import QuotesError, combine_quotes

    try:
        quotes = values.load(file.read_bytes())
        document = combine_quotes(quotes, method, None if outliers == "none" else outliers, floor_bps).document()
    except (QuotesError, FeedError) as e:
        raise Exit(f"{file}: {e}", ExitCode.USAGE) from None
    print_result(as_json, document, _combined_lines(document))


def _combined_lines(document: dict[str, Any]) -> list[str]:
    price, spread, apart = document["price"], document["spread_bps"], document["disagree_bps"]
    rows = [f"{price} +- {spread} bps by {document['method']}; {apart} bps apart"]
    rows += [f"  {u['group']:<18} {u['price']:<24} weight {u['weight_bps'] / 100:.2f} %" for u in document["used"]]
    return [*rows, *(f"  {r['source']:<18} {r['price'] or '':<24} rejected: {r['text']}" for r in document["rejected"])]


COMMANDS = (explain, verify, history, replay, combine)
