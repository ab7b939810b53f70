"""`lrt-oracle catalog`: look at the catalogue, and hold every entry of it against real chains."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from oracle.cli.shell import Exit, ExitCode, print_result, seconds

if TYPE_CHECKING:
    from feeds.chain_follower import ChainPlan
    from oracle.check.catalog.findings import EntryResult
    from oracle.check.catalog.report import CatalogReport
    from oracle.config.sections import Config
    from oracle.config.tables.catalog import Catalog
    from oracle.config.tables.chain_sections import ChainSection


@click.group()
def catalog() -> None:
    """Look at the catalogue, your own records in it, and ask chains whether it is still true."""


@catalog.command("list")
@click.option("--chain", help="Only what is on this chain.")
@click.option("--token", help="Only what is about this token.")
@click.option("--kind", help="Only one kind: token, pool, reference, symbol, chain or unit.")
@click.option("--dead", is_flag=True, help="Only what is marked dead or doubtful.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_entries(
    config_path: Path, chain: str | None, token: str | None, kind: str | None, dead: bool, as_json: bool
) -> None:
    """List the records of the catalogue, a line each."""
    from oracle.check.catalog.listing import Filter, listed
    from oracle.config.tables.own_catalog import KINDS
    from oracle.model.suggest import nearest

    known = _config(config_path).catalog
    if chain is not None and chain not in known.chains:
        raise Exit(f"{chain!r} is not a chain of the catalogue; {nearest(chain, known.chains)}", ExitCode.USAGE)
    if token is not None and token not in {*known.tokens, *known.units}:
        names = [*known.tokens, *known.units]
        raise Exit(f"{token!r} is not a token of the catalogue; {nearest(token, names)}", ExitCode.USAGE)
    if kind is not None and kind not in KINDS:
        raise Exit(f"{kind!r} is not a kind of record; {nearest(kind, KINDS)}", ExitCode.USAGE)
    rows = list(listed(known, Filter(chain=chain, token=token, kind=kind, dead=dead)))
    print_result(as_json, {"records": [r.document() for r in rows]}, [*(r.line for r in rows), f"{len(rows)} records"])


@catalog.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--toml", "as_toml", is_flag=True, help="Print the blocks that take its place in a catalogue of your own."
)
@click.pass_obj
def show(config_path: Path, name: str, as_json: bool, as_toml: bool) -> None:
    """Show everything that is known under a name: facts, and where they were published."""
    from oracle.check.catalog.blocks import block_of, replacing_block
    from oracle.check.catalog.listing import named, names
    from oracle.model.suggest import nearest

    known = _config(config_path).catalog
    found = list(named(known, name))
    if not found:
        raise Exit(f"{name!r} is not in the catalogue; {nearest(name, names(known))}", ExitCode.USAGE)
    if as_toml:
        click.echo("\n".join((block_of if r.own else replacing_block)(r.kind, r.record) for r in found), nl=False)
        return
    blocks = [block_of(r.kind, r.record) for r in found]
    print_result(
        as_json,
        {"records": [r.document() for r in found]},
        [f"# {r.place}\n{b}" for r, b in zip(found, blocks, strict=True)],
    )


@catalog.command()
@click.option(
    "--chain", "chains", multiple=True, metavar="NAME=URL[,URL]", help="A chain and its endpoints; else the config's."
)
@click.option("--notional", default="1", show_default=True, help="Base tokens that each pool is priced for.")
@click.option(
    "--pause", default=0.25, callback=seconds, show_default=True, help="Seconds between two groups of entries."
)
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    help="A report of an earlier run (--json): ask only what it could not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--toml", "as_toml", is_flag=True, help="Print the blocks that mark what has died, for a catalogue of your own."
)
@click.pass_obj
def verify(
    config_path: Path,
    *,
    chains: tuple[str, ...],
    notional: str,
    pause: float,
    resumed: Path | None,
    as_json: bool,
    as_toml: bool,
) -> None:
    """Ask real chains about every entry: code, coins, decimals, fees, depth now, rates, ages. Run it once a month.

    Exit status: 0 nothing new has died, 1 something has that is not marked dead, 3 not everything could be asked.
    """
    from oracle.check.catalog.findings import EntryState
    from oracle.check.catalog.report import CatalogReport
    from oracle.check.catalog.verify import VerifyPace, verify_catalog

    config = _config(config_path)
    plans = _plans(config, chains)
    _check_notional(notional)
    pace = VerifyPace(pause_ms=int(pause * 1_000))
    before = _earlier(resumed) if resumed is not None else []
    verdicts = asyncio.run(verify_catalog(config.catalog, plans, notional=notional, before=before, pace=pace))
    report = CatalogReport(notional=notional, chains=tuple(verdicts))
    if as_toml:
        for doubt in report.doubts:
            click.echo(f"warning: {doubt}", err=True)
        click.echo("\n".join(_ended(config.catalog, report)), nl=False)
    else:
        print_result(as_json, report.document(), report.lines())
    unasked = any(r.has_unasked for r in report.results)
    sys.exit(ExitCode.FAILED if report.of_state(EntryState.DEAD) else ExitCode.ABSTAINED if unasked else ExitCode.DONE)


def _config(path: Path) -> Config:
    """The config, as far as its form is right; without a file the shipped catalogue and no chain."""
    from oracle.config.sections import load, parse
    from oracle.config.tables.schema import ConfigError

    given = click.get_current_context().find_root().get_parameter_source("config_path") is not ParameterSource.DEFAULT
    try:
        return parse({}) if not given and not path.exists() else load(path)
    except ConfigError as e:
        raise Exit(f"{path}:\n{e}", ExitCode.USAGE) from None


def _plans(config: Config, chains: tuple[str, ...]) -> Mapping[str, ChainPlan]:
    """How to read each chain that is asked about, by the catalogue's name of it."""
    from dataclasses import replace

    from oracle.config.check_addresses import address_problems
    from oracle.config.feed_sources import chains_of

    chosen = replace(config, chains=_sections(config.catalog, chains)) if chains else config
    wrong = [str(p) for p in address_problems(chosen) if p.key.startswith("chains.")]
    if wrong:
        raise Exit("\n".join(wrong), ExitCode.USAGE)
    plans = {}
    for written, plan in chains_of(chosen).items():
        name = config.catalog.chain_of(plan.chain_id)
        if name is None:
            click.echo(
                f"chains.{written}: its id {plan.chain_id} is not in the catalogue: nothing of it is asked", err=True
            )
        else:
            plans[name] = plan
    if not plans:
        raise Exit("no chain to ask: give --chain ethereum=URL, or [chains] in the config", ExitCode.USAGE)
    return plans


def _sections(catalog: Catalog, chains: tuple[str, ...]) -> Mapping[str, ChainSection]:
    """Chains as they are given on the command line; one that is given twice has both endpoints."""
    from oracle.config.sections import parse
    from oracle.config.tables.schema import ConfigError
    from oracle.model.suggest import nearest

    tables: dict[str, dict[str, Any]] = {}
    for text in chains:
        name, _, urls = text.partition("=")
        facts = catalog.chains.get(name)
        if facts is None or not urls:
            raise Exit(f"--chain {name}: write NAME=URL[,URL]; {nearest(name, catalog.chains)}", ExitCode.USAGE)
        if facts.chain_id is None:
            raise Exit(f"--chain {name}: its chain id is not known ({facts.why_null})", ExitCode.USAGE)
        table = tables.setdefault(name, {"chain_id": facts.chain_id, "endpoints": []})
        table["endpoints"] += urls.split(",")
        table |= {} if facts.multicall is None else {"multicall": facts.multicall}
    try:
        return parse({"chains": tables}, catalog).chains
    except ConfigError as e:
        raise Exit(f"--chain: {e}", ExitCode.USAGE) from None


def _check_notional(text: str) -> None:
    from feeds.chains.abi import wad_of

    try:
        wad = wad_of(text)
    except ValueError as e:
        raise Exit(f"--notional {e}", ExitCode.USAGE) from None
    if wad <= 0:
        raise Exit("--notional: write how many base tokens to price, above 0", ExitCode.USAGE)


def _earlier(path: Path) -> list[EntryResult]:
    from oracle.check.catalog.report import ReportError, results_of

    try:
        return list(results_of(json.loads(path.read_text(encoding="utf-8"))))
    except (ReportError, ValueError) as e:
        raise Exit(f"{path}: {e}", ExitCode.USAGE) from None


def _ended(catalog: Catalog, report: CatalogReport) -> Iterator[str]:
    """A block for each entry that has died and is not marked so."""
    from oracle.check.catalog.blocks import ended_block
    from oracle.check.catalog.findings import EntryState
    from oracle.check.catalog.listing import records

    rows = {row.label: row for row in records(catalog)}
    for result in report.of_state(EntryState.DEAD):
        row = rows.get(result.label) or rows[f"{result.kind} {result.name}"]
        yield ended_block(result, row.record, own=row.own, units=catalog.units.values())


COMMANDS = (catalog,)
