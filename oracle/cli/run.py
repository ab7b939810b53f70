"""Commands that run something: the demo on a local chain, the oracle, one round, the check, the benchmarks."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result, run_until_signal, seconds

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig


@click.command()
@click.option("--seconds", "lasting_s", default=0.0, callback=seconds, help="How long to run; 0: until interrupted.")
@click.option(
    "--scenario",
    default="depeg",
    show_default=True,
    help="calm, depeg, venue-crash, slash, mute, liar; with --operators also leader-dead, leader-splits, partition, rpc-lies-to-one, rotation, restaked.",
)
@click.option(
    "--operators", default=0, help="So many operators, each a process of its own; default: three in one process."
)
@click.option(
    "--port",
    default=8551,
    type=click.IntRange(1, 65_535),
    show_default=True,
    help="Port of the local endpoint and page.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write a summary to this file.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep database, keys and config here.")
def demo(
    *, lasting_s: float, scenario: str, operators: int, port: int, json_file: Path | None, folder: Path | None
) -> None:
    """Run everything on a local chain and local venues."""
    from demo.main import closing_lines, run, unfit, with_operators
    from demo.testbed import Options

    asked = Options(
        seconds=lasting_s, scenario=scenario, port=port, json_file=json_file, folder=folder, operators=operators
    )
    options = with_operators(asked)
    if why := unfit(options):
        raise Exit(why, ExitCode.USAGE)
    summary = run_until_signal(lambda stop: run(options, stop))
    for line in closing_lines(summary):
        click.echo(line, err=True)
    for problem in summary.get("problems", ()):
        click.echo(f"error: {problem}", err=True)
    sys.exit(ExitCode.FAILED if summary.get("problems") else ExitCode.DONE)


@click.command()
@click.pass_obj
def run(config_path: Path) -> None:
    """Run the oracle: rounds, endpoint, pushes. Ends on SIGTERM or SIGINT; reads its config anew on SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before there is a process to change ends nothing
    from oracle.app import App
    from oracle.build import build
    from oracle.cli.banner import log_as_configured, told
    from oracle.cli.reloads import Reloads
    from oracle.cli.switching import run_with_switches
    from oracle.config.resolve import resolve, with_secrets
    from oracle.config.sections import load
    from oracle.config.tables.schema import ConfigError

    def checked(path: Path) -> ResolvedConfig:
        return with_secrets(resolve(load(path)))

    async def whole(stop: asyncio.Event) -> None:
        reloads = Reloads(config_path, checked, on_config=log_as_configured)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloads.on_signal)
        try:
            await run_with_switches(
                resolved, config_path, stop, load=checked, make=lambda r: App(build(r)), attendant=reloads
            )
        finally:
            await reloads.close()

    resolved = checked_config(config_path, network=True)
    log_as_configured(resolved.config)
    try:
        with told("oracle", resolved, config_path):
            run_until_signal(whole)
    except ConfigError as e:
        raise Exit(f"{config_path}:\n{e}", ExitCode.USAGE) from None


@click.command()
@click.pass_obj
def serve(config_path: Path) -> None:
    """Run a node: serve what operators sealed, verified, without keys, sources or a database. Ends on SIGTERM or SIGINT."""
    import time

    from oracle.cli.banner import log_as_configured, told
    from oracle.config.tables.schema import ConfigError
    from oracle.node.node import ServingNode

    resolved = checked_config(config_path, network=True)
    log_as_configured(resolved.config)
    try:
        node = ServingNode(resolved, lambda: time.time_ns() // 1_000_000)
    except ConfigError as e:
        raise Exit(f"{config_path}:\n{e}", ExitCode.USAGE) from None
    with told("node", resolved, config_path):
        run_until_signal(node.run, is_service=True)


@click.command()
@click.pass_obj
def archive(config_path: Path) -> None:
    """Run an archive: write what operators sealed, verified, to PostgreSQL and Parquet files. Ends on SIGTERM or SIGINT."""
    import time

    from oracle.archive.archive_process import ArchiveProcess
    from oracle.cli.banner import log_as_configured, told
    from oracle.config.tables.schema import ConfigError

    resolved = checked_config(config_path, network=True)
    log_as_configured(resolved.config)
    try:
        process = ArchiveProcess(resolved, lambda: time.time_ns() // 1_000_000)
    except ConfigError as e:
        raise Exit(f"{config_path}:\n{e}", ExitCode.USAGE) from None
    with told("archive", resolved, config_path):
        run_until_signal(process.run, is_service=True)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--wait", default=10.0, callback=seconds, show_default=True, help="Seconds to let the sources answer.")
@click.pass_obj
def once(config_path: Path, as_json: bool, wait: float) -> None:
    """Observe every source, make one round, print it. Nothing is stored, signed or pushed."""
    from oracle.cli.one_round import once as one_round

    records, abstained = asyncio.run(one_round(checked_config(config_path, network=True), wait))
    print_result(as_json, {"prices": records, "abstained": abstained}, _price_lines(records, abstained))
    sys.exit(ExitCode.DONE if records else ExitCode.ABSTAINED)


@click.command()
@click.option("--offline", is_flag=True, help="Check only what needs no network.")
@click.option(
    "--confirm",
    multiple=True,
    metavar="FEED",
    help="Accept the changed value of this feed: you have checked that it is right.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(config_path: Path, offline: bool, confirm: tuple[str, ...], as_json: bool) -> None:
    """Check config and catalogue: every error at once; with a network every contract, value, other oracle and store."""
    from oracle.check.check import check as run_check
    from oracle.config.tables.schema import ConfigError

    try:
        resolved = checked_config(config_path, raw=True)
        report = asyncio.run(run_check(resolved, offline=offline, confirmed=frozenset(confirm)))
        _check_next(resolved, config_path, report)
    except ConfigError as e:
        problems = [{"key": p.key, "text": p.text} for p in e.problems]
        print_result(as_json, {"errors": problems}, [f"error  {p['key']}: {p['text']}" for p in problems])
        sys.exit(ExitCode.USAGE)
    print_result(as_json, report, _check_lines(report))
    sys.exit(ExitCode.USAGE if report["errors"] else ExitCode.DONE)


def _check_next(resolved: ResolvedConfig, config_path: Path, report: dict[str, Any]) -> None:
    """The config that is to follow this one, as a process would read it now."""
    from oracle.cli.switching import switch_note, switch_of
    from oracle.config.resolve import resolve
    from oracle.config.sections import load
    from oracle.config.tables.schema import ConfigError

    try:
        switch = switch_of(resolved, config_path, lambda path: resolve(load(path)))
    except ConfigError as e:
        report["errors"] += [{"key": p.key, "text": p.text} for p in e.problems]
        return
    if switch is not None:
        report["notes"].append(switch_note(switch))


@click.command()
@click.argument("what", type=click.Choice(["chain", "latency", "aggregate", "api", "gas", "storage"]))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(what: str, as_json: bool) -> None:
    """Measure on this machine, as ratios within one run."""
    from demo.bench.suite import run as measure

    figures = asyncio.run(measure(what))
    print_result(as_json, figures, [f"{k}: {v}" for k, v in figures.items()])


def _price_lines(records: list[dict[str, Any]], abstained: list[dict[str, Any]]) -> list[str]:
    from oracle.cli.needs import needs_lines

    rows = [f"{r['feed']:<18} {r['price']:<28} {r['status']:<6} {_apart(r['deviation_bps'])}".rstrip() for r in records]
    return [*rows, *(line for each in abstained for line in needs_lines(each))]


def _apart(deviation_bps: int | None) -> str:
    return "" if deviation_bps is None else f"market {deviation_bps:+} bps from redemption"


def _check_lines(report: dict[str, Any]) -> list[str]:
    from oracle.check.schedules import schedule_line
    from oracle.check.source_rows import source_lines
    from oracle.check.trust_text import trust_lines

    rows = [_feed_line(f) for f in report["feeds"]]
    rows += [f"{f['feed']:<18} off: {f['reason']}" for f in report["off"]]
    rows += source_lines(report["sources"])
    rows += [_sequencer_line(s) for s in report["sequencers"]]
    rows += [_drift_line(d) for d in report["drift"]]
    rows += [line for row in report["trust"] for line in trust_lines(row)]
    rows += [schedule_line(s) for s in report["schedules"]]
    rows += [f"note   {n}" for n in report["notes"]]
    rows += [f"ALARM  {a}" for a in report["alarms"]]
    rows += [f"error  {e['key']}: {e['text']}" for e in report["errors"]]
    return [*rows, f"{len(report['errors'])} errors"]


def _feed_line(feed: dict[str, Any]) -> str:
    said = []
    if feed["min_groups"]:
        number = feed["groups_reachable"]
        said.append(f"{number} group{'s' * (number != 1)} ({', '.join(feed['groups'])}), needs {feed['min_groups']}")
    if "groups_answered" in feed and feed["groups"]:
        silent = f", all but {', '.join(feed['silent_groups'])}" if feed["silent_groups"] and feed["price"] else ""
        said.append(f"{feed['groups_answered']} answered{silent}")
    if feed.get("price"):
        said.append(f"now {feed['price'][:14]}")
    return f"{feed['feed']:<18} {'; '.join([*said, feed['use']])}"


def _sequencer_line(row: dict[str, Any]) -> str:
    counts = "its prices count" if row["counts"] else "its prices do not count"
    return (
        f"sequencer {row['chain']:<8} {row['state']} for {row['since_s']} s, grace {row['grace_s']} s: {counts} "
        f"({row['feed']} answers {row['answer']})"
    )


def _drift_line(row: dict[str, Any]) -> str:
    reference = f"{row['feed']:<18} {row['reference']:<34} {row['chain']:<10}"
    if "error" in row:
        return f"{reference} {row['error']}"
    return (
        f"{reference} {row['theirs'][:14]:>14} ours {row['ours'][:14]:>14} {row['drift_bps']:>6} bps {row['against']}"
    )


COMMANDS = (demo, run, serve, archive, once, check, bench)
