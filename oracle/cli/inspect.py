"""Commands that look at what is stored, or at what is given them in a file; they ask no network."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from oracle.cli.shell import ABSTAINED, DONE, FAILED, ROUND, USAGE, Exit, plan_of, printed, store_of


@click.command()
@click.argument("feed")
@click.option("--round", "round_s", type=ROUND, help="round_time in Unix seconds; the newest without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def explain(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Show each source of a stored round: its price, weight, age, or why it was rejected."""
    from oracle.serve.explain import explain as explained
    from oracle.serve.explain import lines

    store = store_of(config_path, feed)
    found = explained(store, feed, round_s)
    if found is None and round_s is not None and (gone := store.withdrawn.of(feed, round_s)):
        raise Exit(f"round {round_s} of {feed} was withdrawn: {gone[-1].why}; verify recomputes it", ABSTAINED)
    if found is None:
        raise Exit(f"no round of {feed} is stored" + (f" at {round_s}" if round_s else ""), ABSTAINED)
    printed(as_json, found, lines(found))


@click.command()
@click.argument("feed")
@click.option("--round", "round_s", type=ROUND, help="round_time in Unix seconds; the newest without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def verify(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Recompute a stored round from its inputs and compare it bit for bit."""
    from oracle.audit.recompute import verify as recompute
    from oracle.audit.recompute import verify_withdrawn

    store = store_of(config_path, feed)
    wanted = round_s
    if wanted is None:
        newest = store.record(feed)
        wanted = newest.report.round_time_s if newest else 0
    stands = any(store.result(o, feed, wanted) for o in store.operators(feed)) or store.record(feed, wanted) is not None
    checks = [*(recompute(store, feed, wanted) if stands else ()), *verify_withdrawn(store, feed, wanted)]
    if not checks and not stands:
        raise Exit(f"no round of {feed} is stored at {wanted}", ABSTAINED)
    good = bool(checks) and all(c.ok for c in checks)
    rows = [f"{'same ' if c.ok else 'OTHER'}  {c.what}: {c.detail}" for c in checks]
    printed(as_json, {"feed": feed, "round": wanted, "ok": good, "checks": [asdict(c) for c in checks]}, rows)
    sys.exit(DONE if good else FAILED)


@click.command()
@click.argument("feed")
@click.option("--minutes", default=60, type=click.IntRange(1, 1_000_000_000), show_default=True)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write them as a file that replay reads.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def history(config_path: Path, feed: str, minutes: int, csv_file: Path | None, as_json: bool) -> None:
    """Print the published records of a feed, or export them."""
    from oracle.runtime.clock import now_ms
    from oracle.serve.explain import record_document, record_line, withdrawn_documents

    store = store_of(config_path, feed)
    since_ms = now_ms() - minutes * 60_000
    found = store.history(feed, since_ms, now_ms(), 100_000)
    if csv_file is not None:
        from lab.export import write

        rows = write(found, csv_file)
        click.echo(f"{rows} rows in {csv_file}", err=True)
        if as_json:
            printed(as_json, {"feed": feed, "file": str(csv_file), "rows": rows}, [])
        return
    gone = withdrawn_documents(store, feed, since_ms)
    rows_gone = [f"{w['round']}  {w['price']:<16} WITHDRAWN {w['withdrawn']['why']}" for w in gone]
    document = {"feed": feed, "records": [record_document(r) for r in found], "withdrawn": gone}
    printed(as_json, document, [*map(record_line, found), *rows_gone])


@click.command()
@click.argument("what", metavar="CASE|FILE|all")
@click.option("--method", help="Another method in the feed of the case.")
@click.option("--against", default="all", show_default=True, help="Designs, comma separated; all or none.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Draw one case: .png or .svg.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Recorded series; without it the facts typed in.",
)
@click.option("--columns", default="", help="Of one's own file: time=...,price=...,redemption=... (price may repeat).")
@click.option("--feed", default="TOKEN/UNIT", show_default=True, help="Name of one's own data.")
@click.option("--like", help="Judge one's own data by the method, bands and rules of this feed of the config.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
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
    columns: str,
    feed: str,
    like: str | None,
    as_json: bool,
) -> None:
    """Replay an incident, all of them, or one's own data (.csv, .parquet): what we and others would have published."""
    from lab.command import USAGE_ERRORS, ReplayOptions, replayed

    specs = plan_of(config_path).specs if like else {}
    if like and like not in specs:
        raise Exit(f"{like!r} is no feed of {config_path}", USAGE)
    judged_by = specs[like] if like else None
    asked = ReplayOptions(
        method=method, against=against, picture=picture, data=data, columns=columns, feed=feed, like=judged_by
    )
    try:
        passed, found, rows = replayed(what, asked)
    except USAGE_ERRORS as e:
        raise Exit(str(e), USAGE) from None
    printed(as_json, found, rows)
    sys.exit(DONE if passed else FAILED)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", default="median", show_default=True)
@click.option("--outliers", default="mad", show_default=True, help="A filter, or none.")
@click.option(
    "--floor-bps",
    default=50,
    type=click.IntRange(0, 10_000),
    show_default=True,
    help="Nearer than this is never an outlier.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def combine(file: Path, method: str, outliers: str, floor_bps: int, as_json: bool) -> None:
    """Combine quotes in a JSON file: [{"source": "a", "price": "1.05", "group": "a", "depth": "10"}, ...]."""
    from feeds.decode import values
    from feeds.errors import FeedError
    from oracle.combine.quotes import QuotesError, combine_quotes

    try:
        quotes = values.load(file.read_bytes())
        found = combine_quotes(quotes, method, None if outliers == "none" else outliers, floor_bps).document()
    except (QuotesError, FeedError) as e:
        raise Exit(f"{file}: {e}", USAGE) from None
    printed(as_json, found, _combined_lines(found))


def _combined_lines(found: dict[str, Any]) -> list[str]:
    rows = [f"{found['price']} +- {found['spread_bps']} bps by {found['method']}; {found['disagree_bps']} bps apart"]
    rows += [f"  {u['group']:<18} {u['price']:<24} weight {u['weight_bps'] / 100:.2f} %" for u in found["used"]]
    return [*rows, *(f"  {r['source']:<18} {r['price'] or '':<24} rejected: {r['text']}" for r in found["rejected"])]


COMMANDS = (explain, verify, history, replay, combine)
