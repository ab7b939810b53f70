"""The command line. Commands import what they need when they run, so that --help stays quick."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from oracle.plan import Plan

T = TypeVar("T")
DONE, FAILED, USAGE, ABSTAINED = 0, 1, 2, 3


class Exit(click.ClickException):
    """A message for people and an exit status for scripts."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.__dict__["exit_code"] = code


def _several(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    """Texts, comma separated, as a list."""
    return None if text is None else [part.strip() for part in text.split(",")]


def _numbers(ctx: click.Context, param: click.Parameter, text: str | None) -> list[int] | None:
    """Whole numbers, comma separated, as a list."""
    try:
        return None if text is None else [int(part) for part in _several(ctx, param, text) or ()]
    except ValueError:
        raise click.BadParameter(f"{text!r}: write whole numbers, comma separated") from None


class _Commands(click.Group):
    """Turns the project's own errors into one line and an exit status; everything else is a bug and keeps its trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (RuntimeError, LookupError, ValueError) as e:
            if type(e).__module__.split(".")[0] not in _OURS:
                raise
            raise Exit(str(e), FAILED) from e


_OURS = frozenset({"oracle", "feeds", "contracts", "demo", "lab"})


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", default="config.toml", show_default=True, type=click.Path(path_type=Path))
@click.option("--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the log.")
@click.option("--verbose", is_flag=True, help="Log every push and connection too.")
@click.pass_context
def main(ctx: click.Context, config_path: Path, log: str, verbose: bool) -> None:
    """Market price and redemption rate of liquid staking and restaking tokens, as one signed record.

    Exit status: 0 done, 1 the program failed, 2 usage or config is wrong, 3 the oracle abstained.
    """
    ctx.obj = config_path
    _set_up_logging(log, verbose=verbose)


@main.command()
@click.option("--seconds", default=0.0, help="How long; 0 runs until interrupted.")
@click.option("--scenario", default="depeg", show_default=True, help="calm, depeg, venue-crash, slash, mute or liar.")
@click.option("--port", default=8551, show_default=True, help="Of the local endpoint and page.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write a summary to this file.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep database, keys and config here.")
def demo(seconds: float, scenario: str, port: int, json_file: Path | None, folder: Path | None) -> None:
    """Run everything on a local chain and local venues."""
    from demo.main import run
    from demo.scenarios import SCENARIOS
    from demo.stand import Options
    from oracle.tables.schema import nearest

    if scenario not in SCENARIOS:
        raise Exit(f"{scenario!r} is no scenario; {nearest(scenario, SCENARIOS)}", USAGE)
    options = Options(seconds=seconds, scenario=scenario, port=port, json_file=json_file, folder=folder)
    summary = _until_signal(lambda stop: run(options, stop))
    click.echo(
        f"{summary['rounds']} rounds, {summary['pushes_landed']} pushes landed, "
        f"{len(summary['states'])} status changes",
        err=True,
    )


@main.command()
@click.pass_obj
def run(config_path: Path) -> None:
    """Run the oracle: rounds, endpoint, pushes. Ends on SIGTERM or SIGINT."""
    from oracle.app import App
    from oracle.tables.schema import ConfigError

    plan = _plan(config_path)
    try:
        _until_signal(App(plan).run)
    except ConfigError as e:
        raise Exit(f"{config_path}:\n{e}", USAGE) from None


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--wait", default=10.0, show_default=True, help="Seconds to let the sources answer.")
@click.pass_obj
def once(config_path: Path, as_json: bool, wait: float) -> None:
    """Observe every source, make one round, print it. Nothing is stored, signed or pushed."""
    from oracle.once import once as one_round

    records, silent = asyncio.run(one_round(_plan(config_path), wait))
    _print(as_json, {"prices": records, "abstained": silent}, _price_lines(records, silent))
    sys.exit(DONE if records else ABSTAINED)


@main.command()
@click.option("--offline", is_flag=True, help="Only what needs no network.")
@click.option("--confirm", multiple=True, metavar="FEED", help="Its new value was looked at and is right.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def check(config_path: Path, offline: bool, confirm: tuple[str, ...], as_json: bool) -> None:
    """Check config and catalogue: every error at once; with a network every contract, value, other oracle and store."""
    from oracle.checks.check import check as run_check
    from oracle.tables.schema import ConfigError

    try:
        plan = _plan(config_path, raw=True)
        found = asyncio.run(run_check(plan, offline=offline, confirmed=frozenset(confirm)))
    except ConfigError as e:
        problems = [{"key": p.key, "text": p.text} for p in e.problems]
        _print(as_json, {"errors": problems}, [f"error  {p['key']}: {p['text']}" for p in problems])
        sys.exit(USAGE)
    _print(as_json, found, _check_lines(found))
    sys.exit(USAGE if found["errors"] else DONE)


@main.command()
@click.argument("feed")
@click.option("--round", "round_s", type=int, help="round_time in Unix seconds; the newest without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def explain(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Show each source of a stored round: its price, weight, age, or why it was rejected."""
    from oracle.explain import explain as explained
    from oracle.explain import lines

    store = _store(config_path, feed)
    found = explained(store, feed, round_s)
    if found is None:
        raise Exit(f"no round of {feed} is stored" + (f" at {round_s}" if round_s else ""), ABSTAINED)
    _print(as_json, found, lines(found))


@main.command()
@click.argument("feed")
@click.option("--round", "round_s", type=int, help="round_time in Unix seconds; the newest without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def verify(config_path: Path, feed: str, round_s: int | None, as_json: bool) -> None:
    """Recompute a stored round from its inputs and compare it bit for bit."""
    from oracle.audit import verify as recompute

    store = _store(config_path, feed)
    wanted = round_s
    if wanted is None:
        newest = store.record(feed)
        wanted = newest.report.round_time_s if newest else 0
    if not any(store.result(o, feed, wanted) for o in store.operators(feed)) and store.record(feed, wanted) is None:
        raise Exit(f"no round of {feed} is stored at {wanted}", ABSTAINED)
    checks = list(recompute(store, feed, wanted))
    good = bool(checks) and all(c.ok for c in checks)
    rows = [f"{'same ' if c.ok else 'OTHER'}  {c.what}: {c.detail}" for c in checks]
    _print(as_json, {"feed": feed, "round": wanted, "ok": good, "checks": [asdict(c) for c in checks]}, rows)
    sys.exit(DONE if good else FAILED)


@main.command()
@click.argument("feed")
@click.option("--minutes", default=60, show_default=True)
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write them as a file that replay reads.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_obj
def history(config_path: Path, feed: str, minutes: int, csv_file: Path | None, as_json: bool) -> None:
    """Print the published records of a feed, or export them."""
    from oracle.clock import now_ms
    from oracle.explain import record_document, record_line

    store = _store(config_path, feed)
    found = store.history(feed, now_ms() - minutes * 60_000, now_ms(), 100_000)
    if csv_file is not None:
        from lab.export import write

        click.echo(f"{write(found, csv_file)} rows in {csv_file}", err=True)
        return
    _print(as_json, {"feed": feed, "records": [record_document(r) for r in found]}, [record_line(r) for r in found])


@main.command()
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
    from lab.command import USAGE_ERRORS, Asked, replayed

    specs = _plan(config_path).specs if like else {}
    if like and like not in specs:
        raise Exit(f"{like!r} is no feed of {config_path}", USAGE)
    judged_by = specs[like] if like else None
    asked = Asked(
        method=method, against=against, picture=picture, data=data, columns=columns, feed=feed, like=judged_by
    )
    try:
        passed, found, rows = replayed(what, asked)
    except USAGE_ERRORS as e:
        raise Exit(str(e), USAGE) from None
    _print(as_json, found, rows)
    sys.exit(DONE if passed else FAILED)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", default="median", show_default=True)
@click.option("--outliers", default="mad", show_default=True, help="A filter, or none.")
@click.option("--floor-bps", default=50, show_default=True, help="Nearer than this is never an outlier.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def combine(file: Path, method: str, outliers: str, floor_bps: int, as_json: bool) -> None:
    """Combine quotes in a JSON file: [{"source": "a", "price": "1.05", "group": "a", "depth": "10"}, ...]."""
    from feeds import decode
    from feeds.types import FeedError
    from oracle.combine import QuotesError
    from oracle.combine import combine as combined

    try:
        quotes = decode.load(file.read_bytes())
        found = combined(quotes, method, None if outliers == "none" else outliers, floor_bps).document()
    except (QuotesError, FeedError) as e:
        raise Exit(f"{file}: {e}", USAGE) from None
    _print(as_json, found, _combined_lines(found))


@main.command()
@click.argument("name", required=False)
@click.option("--rpc", help="HTTP endpoint of the chain; the first of the store's chain by default.")
@click.option("--keyfile", required=True, type=click.Path(path_type=Path), help="Pays, and owns the store at first.")
@click.option("--passphrase-env", default="LRT_ORACLE_OWNER_PASSPHRASE", show_default=True)
@click.option("--signers", callback=_several, help="Addresses of the report keys, comma separated.")
@click.option("--weights", callback=_numbers, help="Of the signers, comma separated; 1 each by default.")
@click.option("--threshold", type=int, help="Weight that a batch needs: more than half.")
@click.option("--step-threshold", type=int, help="Weight with which a price may move by any step.")
@click.option("--owner", help="A timelock or Safe that the store is offered to; it calls acceptOwnership().")
@click.option("--guardian", help="May pause, and nothing else.")
@click.option("--max-push-age", "max_push_age_s", type=int, help="Seconds after which a batch is refused.")
@click.option("--rotation-delay", "rotation_delay_s", type=int, help="Seconds until new signers count.")
@click.option("--overlap", "overlap_s", type=int, help="Seconds for which the signers before still count then.")
@click.option("--min-gap", "min_gap_s", type=int, help="Seconds between two writes of a feed (first class).")
@click.option("--step-bps", type=int, help="A price further away waits (first class).")
@click.option("--step-wait", "step_wait_s", type=int, help="For so many seconds (first class).")
@click.option("--registry", "token", metavar="TOKEN", help="Also an OperatorRegistry: what operators bond.")
@click.option("--treasury", help="Of the registry: gets what was slashed.")
@click.option("--arbiter", help="Of the registry: may give a penalty back; the owner by default.")
@click.option("--salt", default="lrt-oracle", show_default=True, help="Another word gives other addresses.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The deployment's file; deployments/<chain>.toml by default."
)
@click.pass_obj
def deploy(
    config_path: Path,
    /,
    *,
    name: str | None,
    rpc: str | None,
    keyfile: Path,
    passphrase_env: str,
    salt: str,
    out: Path | None,
    **said: Any,
) -> None:
    """Deploy the PriceStore of [stores.NAME], its feeds, views and registry; verify all; run again to resume.

    What is given here goes before the section; without NAME everything is given here.
    """
    from oracle.keys import load
    from oracle.onchain.commission import chain_of, commission
    from oracle.onchain.settings import settings_of
    from oracle.stores import asked_store, store_cautions
    from oracle.tables.schema import ConfigError

    plan = _plan(config_path)
    said["limits"] = {k: said.pop(k) for k in ("min_gap_s", "step_bps", "step_wait_s")}
    said["registry"] = {k: said.pop(k) for k in ("token", "treasury", "arbiter")}
    try:
        section = asked_store(plan.config, name, said)
    except ConfigError as e:
        raise Exit(str(e), USAGE) from None
    if rpc is None and section.chain is None:
        raise Exit("no chain: give --rpc URL, or write chain = ... in the store's section", USAGE)
    url = rpc or plan.config.chains[str(section.chain)].endpoints[0]
    chain_id = asyncio.run(chain_of(url))
    chain = next((n for n, c in plan.config.chains.items() if c.chain_id == chain_id), f"chain-{chain_id}")
    if section.chain not in (None, chain):
        raise Exit(f"{name} belongs on {section.chain}, the endpoint serves {chain}", USAGE)
    for caution in store_cautions(section, chain_id):
        click.echo(f"warning: {caution}", err=True)
    specs = [s for s in plan.specs.values() if all(f in plan.pushed for f in s.legs or (s.feed,))]
    path = out or Path("deployments") / f"{chain}.toml"
    done = asyncio.run(
        commission(url, load(keyfile, passphrase_env), settings_of(section), specs, salt=salt, path=path)
    )
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{done.sent} transactions; all code verified", err=True)
    click.echo(done.toml(), nl=False)


@main.group()
def keys() -> None:
    """Report and gas keys: encrypted keyfiles."""


@keys.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--journal", type=click.Path(path_type=Path), help="Make the sign journal with the key: a report key.")
@click.option("--passphrase-env", default="LRT_ORACLE_PASSPHRASE", show_default=True)
def keys_new(path: Path, journal: Path | None, passphrase_env: str) -> None:
    """Make a key. With --journal it may sign at once; without one a report key stays mute at first."""
    from oracle.keys import new

    click.echo(new(path, journal, passphrase_env))


@keys.command("show")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def keys_show(path: Path) -> None:
    """Print the address of a keyfile."""
    click.echo("0x" + json.loads(path.read_text(encoding="utf-8"))["address"].removeprefix("0x"))


@main.command()
@click.argument("what", type=click.Choice(["chain", "latency", "aggregate", "api", "gas"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def bench(what: str, as_json: bool) -> None:
    """Measure on this machine, as ratios within one run."""
    from demo.bench import run as measure

    found = asyncio.run(measure(what))
    _print(as_json, found, [f"{k}: {v}" for k, v in found.items()])


def _plan(config_path: Path, *, raw: bool = False) -> Plan:
    from oracle.config import load
    from oracle.plan import plan
    from oracle.tables.schema import ConfigError

    try:
        return plan(load(config_path))
    except ConfigError as e:
        if raw:
            raise
        raise Exit(f"{config_path}:\n{e}", USAGE) from None


def _store(config_path: Path, feed: str) -> Any:
    from oracle.store import Store
    from oracle.tables.schema import nearest

    plan = _plan(config_path)
    if feed not in plan.specs:
        raise Exit(f"{feed!r} is no feed of {config_path}; {nearest(feed, plan.specs)}", USAGE)
    path = Path(plan.config.oracle.database)
    if not path.is_file():
        raise Exit(f"no database at {path}: run the oracle first", ABSTAINED)
    return Store(path)


def _until_signal(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run until the work ends; SIGTERM and SIGINT set its stop event."""

    async def whole() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, stop.set)
        return await work(stop)

    return asyncio.run(whole())


def _print(as_json: bool, document: dict[str, Any], rows: list[str]) -> None:
    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(rows))


def _price_lines(records: list[dict[str, Any]], silent: list[dict[str, Any]]) -> list[str]:
    rows = [f"{r['feed']:<18} {r['price']:<28} {r['status']:<6} {r['deviation_bps'] or ''}" for r in records]
    return [*rows, *(f"{s['feed']:<18} abstains: {s['code']}: {s['text']}" for s in silent)]


def _combined_lines(found: dict[str, Any]) -> list[str]:
    rows = [f"{found['price']} +- {found['spread_bps']} bps by {found['method']}; {found['disagree_bps']} bps apart"]
    rows += [f"  {u['group']:<18} {u['price']:<24} weight {u['weight_bps'] / 100:.2f} %" for u in found["used"]]
    return [*rows, *(f"  {r['source']:<18} {r['price'] or '':<24} rejected: {r['text']}" for r in found["rejected"])]


def _check_lines(found: dict[str, Any]) -> list[str]:
    from oracle.checks.told import trust_lines

    rows = [f"{f['feed']:<18} {f['groups_reachable']} groups ({', '.join(f['groups'])}), needs {f['min_groups']}; {f['use']}"
            for f in found["feeds"]]  # fmt: skip
    rows += [f"{f['feed']:<18} off: {f['reason']}" for f in found["off"]]
    rows += [_drift_line(d) for d in found["drift"]]
    rows += [line for row in found["trust"] for line in trust_lines(row)]
    rows += [f"note   {n}" for n in found["notes"]]
    rows += [f"ALARM  {a}" for a in found["alarms"]]
    rows += [f"error  {e['key']}: {e['text']}" for e in found["errors"]]
    return [*rows, f"{len(found['errors'])} errors"]


def _drift_line(row: dict[str, Any]) -> str:
    what = f"{row['feed']:<18} {row['reference']:<34} {row['chain']:<10}"
    if "error" in row:
        return f"{what} {row['error']}"
    return f"{what} {row['theirs'][:14]:>14} ours {row['ours'][:14]:>14} {row['drift_bps']:>6} bps {row['against']}"


def _set_up_logging(form: str, *, verbose: bool) -> None:
    import logging

    import structlog

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
            structlog.processors.format_exc_info if form == "json" else _same,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO if verbose else logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _same(_logger: Any, _name: str, event: Any) -> Any:
    return event


if __name__ == "__main__":
    main(prog_name="lrt-oracle")
