"""Commands of an operator among others: what a seat needs and costs, how the others are reached."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

if TYPE_CHECKING:
    from oracle.check.reaching import PeerFinding
    from oracle.check.seat_reading import SeatPlace
    from oracle.config.resolve import ResolvedConfig


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def join(config_path: Path, as_json: bool) -> None:
    """Say what a seat among the operators of the home store needs, what of it is done, and what it costs a month."""
    from oracle.check.joining import joining_lines

    document = asyncio.run(_join(checked_config(config_path, network=True)))
    print_result(as_json, document, joining_lines(document))
    sys.exit(ExitCode.DONE if document["ready"] else ExitCode.ABSTAINED)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def peers(config_path: Path, as_json: bool) -> None:
    """Try every other operator from outside: how it is reached, round trip, clock, version; graded. Beside a running process, too.

    Exit status: 0 all are reached, 1 one is not, or the chain does not say who they are.
    """
    findings, unread = asyncio.run(_peers(checked_config(config_path, network=True)))
    rows = [
        *(f.line() for f in findings),
        f"{sum(f.reached != 'not' for f in findings)} of {len(findings)} are reached",
    ]
    if unread:
        text = "who the members are is not known from the chain: tried are those that config, process and database know"
        rows.insert(0, f"! {text}; {unread}")
    print_result(as_json, {"peers": [f.document() for f in findings], "chain_error": unread or None}, rows)
    failed = unread or any(f.reached == "not" for f in findings)
    sys.exit(ExitCode.FAILED if failed else ExitCode.DONE)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def operators(config_path: Path, as_json: bool) -> None:
    """Say who agrees on the rounds, how each is reached, what is missing of whom and why: by the running process, else its database.

    Exit status: 0 nothing is wrong with the operators of this process, 3 something is, or it does not run.
    """
    from oracle.serve.operator_documents import operators_lines

    document = _operators(checked_config(config_path))
    print_result(as_json, document, operators_lines(document))
    sys.exit(ExitCode.DONE if document["running"] and not document["warnings"] else ExitCode.ABSTAINED)


def _operators(resolved: ResolvedConfig) -> dict[str, Any]:
    from contextlib import closing

    from oracle.assemble.watch import stored_view
    from oracle.check.reaching import told_by_process
    from oracle.runtime.clock import now_ms
    from oracle.serve.operator_documents import operators_document
    from oracle.storage.reading import DatabaseReader

    told = asyncio.run(told_by_process(resolved.config.api))
    if told is not None:
        return told
    path = Path(resolved.config.oracle.database)
    if not path.is_file():
        raise Exit(f"no process answers, and there is no database at {path}: run the oracle first", ExitCode.ABSTAINED)
    with closing(DatabaseReader(path)) as database:
        return operators_document(stored_view(resolved, database, now_ms() // 1_000))


def _place(resolved: ResolvedConfig) -> SeatPlace:
    from oracle.assemble.peering import place_of
    from oracle.check.seat_reading import NoSeat

    try:
        return place_of(resolved)
    except NoSeat as e:
        raise Exit(str(e), ExitCode.USAGE) from None


async def _join(resolved: ResolvedConfig) -> dict[str, Any]:
    from oracle.assemble.network import common_rules
    from oracle.assemble.peering import identity
    from oracle.check.joining import joining
    from oracle.check.seat_reading import read_seat

    place = _place(resolved)
    me = await identity(place)
    own = me.announced().address
    reading = await read_seat(place, own)
    network_key = me.announced().said.network_key
    return await joining(place, reading, own, network_key, common_rules(resolved), len(resolved.pushed))


async def _peers(resolved: ResolvedConfig) -> tuple[list[PeerFinding], str]:
    """What was found of each, and why the chain was not asked who they are; "" where it was."""
    from oracle.assemble.peering import tried_peers

    _place(resolved)
    findings, _, unread = await tried_peers(resolved)
    return findings, unread


COMMANDS = (join, peers, operators)
