"""Commands of an operator among others: what a seat needs and costs, how the others are reached."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

if TYPE_CHECKING:
    from oracle.check.reaching import PeerFinding
    from oracle.check.seat_reading import SeatPlace
    from oracle.config.resolve import ResolvedConfig
    from oracle.network.mesh.handshake import Identity
    from oracle.sign.announcement import SignedAnnouncement


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
    from oracle.assemble.network import configured_peers, home_store
    from oracle.check.seat_reading import NoSeat, seat_place

    home, section = home_store(resolved), resolved.config.network
    known = configured_peers(section) if section is not None else {}
    try:
        return seat_place(resolved.config, None if home is None else home.target, known)
    except NoSeat as e:
        raise Exit(str(e), ExitCode.USAGE) from None


async def _join(resolved: ResolvedConfig) -> dict[str, Any]:
    from oracle.assemble.network import common_rules
    from oracle.check.joining import joining
    from oracle.check.seat_reading import read_seat

    place = _place(resolved)
    me = await _identity(place)
    own = me.announced().address
    reading = await read_seat(place, own)
    network_key = me.announced().said.network_key
    return await joining(place, reading, own, network_key, common_rules(resolved), len(resolved.pushed))


async def _peers(resolved: ResolvedConfig) -> tuple[list[PeerFinding], str]:
    """What was found of each, and why the chain was not asked who they are; "" where it was."""
    from oracle.chain.quorum_rpc import ChainError
    from oracle.check.reaching import try_peers
    from oracle.check.seat_reading import read_seat

    place = _place(resolved)
    me, reading, unread = await _identity(place), None, ""
    try:
        reading = await read_seat(place, me.announced().address)
    except ChainError as e:
        unread = str(e)
    return await try_peers(place, reading, me, _stored(place)), unread


async def _identity(place: SeatPlace) -> Identity:
    """Who asks: the operator itself, by an announcement older than any of its process, so that nobody keeps it for the newer."""
    import secrets
    from importlib.metadata import version

    from oracle.network.mesh.handshake import Identity
    from oracle.network.mesh.network_key import load_or_make
    from oracle.runtime.clock import now_ms

    announced = await _signed(place)
    return Identity(
        domain=place.domain, network_key=load_or_make(Path(place.network.keyfile)), announced=lambda: announced,
        build=version("lrt-oracle"), instance=secrets.token_bytes(8), now_ms=now_ms,
    )  # fmt: skip


async def _signed(place: SeatPlace) -> SignedAnnouncement:
    """An announcement of this operator that is older than any other, signed by its report key wherever that is."""
    from oracle.agree.terms import PROTOCOL_VERSION
    from oracle.network.mesh.network_key import load_or_make
    from oracle.sign.announcement import Announcement, announcement_preimage, signed_announcement
    from oracle.sign.eip712 import address_of
    from oracle.sign.remote.open_key import key_in_use
    from oracle.sign.remote.remote_key import compact_of

    said = Announcement(
        counter=0,
        network_key=address_of(load_or_make(Path(place.network.keyfile))),
        versions=(PROTOCOL_VERSION,),
    )
    section = place.operator
    async with key_in_use(section, section.keyfile, os.environ) as key:
        raw = await key.sign(announcement_preimage(place.domain, said))
        return signed_announcement(key.address, said, compact_of(raw))


def _stored(place: SeatPlace) -> dict[bytes, SignedAnnouncement]:
    """What the process of this config has heard of the others."""
    from contextlib import closing

    from oracle.sign.announcement import BadAnnouncement, read_announcement
    from oracle.storage.reading import DatabaseReader

    path = Path(place.config.oracle.database)
    if not path.is_file():
        return {}
    known = {}
    with closing(DatabaseReader(path)) as database:
        for raw in database.announcements():
            try:
                signed = read_announcement(place.domain, raw)
            except BadAnnouncement:
                continue
            known[signed.address] = signed
    return known


COMMANDS = (join, peers, operators)
