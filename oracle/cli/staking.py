"""Commands of operators and restakers: how stake stands, joining and leaving, delegating and withdrawing, changing the set."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, print_result
from oracle.cli.stake_desk import AmountCommand, Wallet, acting, address_option, carry_out, opened_actor, opened_desk

if TYPE_CHECKING:
    from oracle.cli.stake_desk import Actor
    from oracle.config.tables.operator_sections import OperatorSection
    from oracle.stake.plans import SignedConsent

_POOL = click.option("--source", callback=address_option, metavar="ADDRESS", help="The pool; default: the only one.")
_OPERATOR = click.option("--operator", required=True, callback=address_option, metavar="ADDRESS", help="Whose pool.")
_MOST_BPS = 10_000


@click.group()
def stake() -> None:
    """Stake decides who signs: look at it, join or leave as an operator, delegate and withdraw as a restaker."""


@stake.command()
@click.argument("address", required=False, callback=address_option)
@click.option("--operator", "more", multiple=True, callback=lambda c, p, v: [address_option(c, p, a) for a in v], help="Also with this one.")  # fmt: skip
@click.option("--target", help="Whose store; default: the home store's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def status(config_path: Path, /, *, address: str | None, more: list[str], target: str | None, as_json: bool) -> None:
    """How the set stands and what secures the price; with ADDRESS, how this operator, report key or restaker does."""
    document, rows = asyncio.run(_status(config_path, target, address, more))
    print_result(as_json, document, rows)


async def _status(
    config_path: Path, target: str | None, address: str | None, more: list[str]
) -> tuple[dict[str, Any], list[str]]:
    from oracle.stake import advice, lines
    from oracle.stake.elsewhere import elsewhere
    from oracle.stake.holdings import holdings_document
    from oracle.stake.reads import ZERO
    from oracle.stake.secured.price import price_security
    from oracle.stake.secured.text import doubt_lines, security_document, security_lines
    from oracle.stake.standing import operator_document, set_document

    async with opened_desk(config_path, target) as desk:
        reads, system = desk.reads, desk.system
        if address is None:
            whole = await set_document(reads, system)
            secured = await price_security(reads, system)
            to_do = advice.set_advice(whole)
            answer = [*lines.advice_lines(to_do), *security_lines(secured), *doubt_lines(secured)]
            document = {**whole, "to_do": to_do, "security": security_document(secured)}
            return document, [*lines.set_lines(whole), *answer]
        (speaks_for,) = await reads.call(system.book, "KeyBook", "operatorOf", address)
        who = address if speaks_for == ZERO else speaks_for
        operator = await operator_document(reads, system, who)
        holdings = await holdings_document(reads, system, who, more)
        is_operator = operator["key"] is not None or any(p["enrolled"] for p in operator["pools"])
        now_s, rows = reads.head.time_s, lines.operator_lines(operator) if is_operator else []
        if holdings["holdings"] or not is_operator:
            rows += lines.holdings_lines(holdings, now_s)
        others = [] if is_operator else await elsewhere(reads, system, "undelegate", "the operator")
        told = operator if is_operator else None
        to_do = advice.account_advice(told, holdings, now_s)
        document = {"operator": told, "restaker": holdings, "to_do": to_do, "elsewhere": others}
        return document, [*rows, *lines.advice_lines(to_do), *others]


@stake.command("join")
@click.option(
    "--commission-bps",
    default=1_000,
    show_default=True,
    type=click.IntRange(0, _MOST_BPS),
    help="Of rewards; 100 are 1 %.",
)
@click.option("--name", help="Of the operator in the config whose report key it is; default: the only one.")
@acting
@click.pass_obj
def join_set(config_path: Path, /, *, wallet: Wallet, commission_bps: int, name: str | None) -> None:
    """Opt in: the report key's consent into the book, a pool to delegate to, and a place among the candidates.

    What is done is skipped. Status 3 while stake is missing: delegate to yourself (`stake bond`) or have others do it, and
    run this again.
    """
    sys.exit(asyncio.run(_join(config_path, wallet, commission_bps, name)))


async def _join(config_path: Path, wallet: Wallet, commission_bps: int, name: str | None) -> ExitCode:
    from oracle.stake.elsewhere import elsewhere
    from oracle.stake.moments import units

    async with opened_actor(config_path, wallet) as actor:
        consent = await _consent(actor, name)
        missing = await actor.plan.missing_stake()
        steps = await actor.plan.join(consent, commission_bps)
        notes = await elsewhere(actor.desk.reads, actor.desk.system, "join", actor.hand.account)
        if missing:
            notes.insert(0, f"no candidate yet: {units(missing)} ETH of stake are missing; then run this again")
        given = None if consent is None else [_text(a) for a in consent.argument()]
        await carry_out(actor, wallet, steps, notes, consent=given, missing_wei=str(missing))
        return ExitCode.ABSTAINED if missing else ExitCode.DONE


def _text(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value


async def _consent(actor: Actor, name: str | None) -> SignedConsent | None:
    """What the config's report key says; None where the book has it already."""
    from oracle.sign.key_consent import KeyConsent
    from oracle.sign.remote.open_key import key_in_use
    from oracle.sign.remote.remote_key import compact_of
    from oracle.stake.plans import SignedConsent

    section = _section(actor, name)
    async with key_in_use(section, section.keyfile, os.environ) as key:
        if not await actor.plan.must_set(key.address):
            return None
        nonce, expiry_s = await actor.plan.next_consent()
        said = KeyConsent(
            chain_id=actor.desk.system.chain_id, book=bytes.fromhex(actor.desk.system.book[2:]),
            operator=bytes.fromhex(actor.hand.account[2:]), nonce=nonce, expiry_s=expiry_s,
        )  # fmt: skip
        compact = compact_of(await key.sign(said.preimage()))
        return SignedConsent(key=key.address, nonce=nonce, expiry_s=expiry_s, compact=compact)


def _section(actor: Actor, name: str | None) -> OperatorSection:
    listed = actor.desk.resolved.config.operators
    found = [o for o in listed if name in (None, o.name)]
    if len(found) != 1:
        known = ", ".join(o.name for o in listed) or "none"
        raise Exit(f"whose report key? name one of [[operators]] with --name; the config has {known}", ExitCode.USAGE)
    return found[0]


@stake.command()
@acting
@click.pass_obj
def leave(config_path: Path, /, *, wallet: Wallet) -> None:
    """Opt out: no freeze takes the operator any more. Sets that it is in keep it until others follow."""
    asyncio.run(_leave(config_path, wallet))


@stake.command()
@click.option("--commission-bps", required=True, type=click.IntRange(0, _MOST_BPS), help="Of rewards; 100 are 1 %.")
@click.option(
    "--source", callback=address_option, metavar="ADDRESS", help="Where; default: all that have the operator."
)
@acting
@click.pass_obj
def commission(config_path: Path, /, *, wallet: Wallet, commission_bps: int, source: str | None) -> None:
    """Keep another part of rewards, as an operator: less at once, more after everybody could leave; Symbiotic: after a week."""
    asyncio.run(_commission(config_path, wallet, commission_bps, source))


async def _commission(config_path: Path, wallet: Wallet, bps: int, source: str | None) -> None:
    from oracle.stake.commission import CommissionPlanner
    from oracle.stake.elsewhere import elsewhere

    async with opened_actor(config_path, wallet) as actor:
        reads, system, me = actor.desk.reads, actor.desk.system, actor.hand.account
        notes = [] if source else await elsewhere(reads, system, "commission", me)
        await carry_out(actor, wallet, await CommissionPlanner(reads, system, me).steps(bps, source), notes)


@stake.command()
@acting
@click.pass_obj
def rotate(config_path: Path, /, *, wallet: Wallet) -> None:
    """Freeze stakes and make the next signer set; anybody may, once an epoch. Status 1 while it is not due."""
    asyncio.run(_rotate(config_path, wallet))


@stake.command()
@click.option("--only", multiple=True, help="Duties to do, e.g. rotate; default: all.")
@acting
@click.pass_obj
def keep(config_path: Path, /, *, wallet: Wallet, only: tuple[str, ...]) -> None:
    """Do once what is due for the contracts of stake, as a keeper does: with --dry say what it would cost. Status 1 if nothing is.

    Duties: remove, top-up, carry-out, observe, rotate, retry, refresh. An operator that is not in jail, and whose stake is below the least
    at this moment, is cut with --only remove alone.
    """
    asyncio.run(_keep(config_path, wallet, only))


async def _keep(config_path: Path, wallet: Wallet, only: tuple[str, ...]) -> None:
    from oracle.model.duty_kind import DutyKind
    from oracle.stake.due.plans import duty_steps

    known = {k.value: k for k in DutyKind}
    if unknown := [n for n in only if n not in known]:
        raise Exit(f"{unknown[0]!r} is no duty: write some of {', '.join(known)}", ExitCode.USAGE)
    kinds = frozenset(known[n] for n in only) or frozenset(DutyKind)
    async with opened_actor(config_path, wallet) as actor:
        await carry_out(actor, wallet, await duty_steps(actor.desk.reads, actor.desk.system, kinds))


async def _rotate(config_path: Path, wallet: Wallet) -> None:
    from oracle.stake.due.plans import freeze_steps

    async with opened_actor(config_path, wallet) as actor:
        await carry_out(actor, wallet, await freeze_steps(actor.desk.reads, actor.desk.system))


async def _leave(config_path: Path, wallet: Wallet) -> None:
    from oracle.stake.elsewhere import elsewhere

    async with opened_actor(config_path, wallet) as actor:
        reads, system, me = actor.desk.reads, actor.desk.system, actor.hand.account
        await carry_out(actor, wallet, await actor.plan.leave(), await elsewhere(reads, system, "leave", me))


@stake.command(cls=AmountCommand)
@click.argument("amount")
@_OPERATOR
@_POOL
@acting
@click.pass_obj
def delegate(config_path: Path, /, *, wallet: Wallet, amount: str, operator: str, source: str | None) -> None:
    """Delegate AMOUNT tokens, or `all`, to an operator: they share its rewards and its penalties."""
    asyncio.run(_delegate(config_path, wallet, amount, operator, source))


@stake.command(cls=AmountCommand)
@click.argument("amount")
@_POOL
@acting
@click.pass_obj
def bond(config_path: Path, /, *, wallet: Wallet, amount: str, source: str | None) -> None:
    """Delegate AMOUNT tokens, or `all`, to oneself, as an operator: the same as any delegation, and the same exit."""
    asyncio.run(_delegate(config_path, wallet, amount, None, source))


async def _delegate(config_path: Path, wallet: Wallet, amount: str, operator: str | None, source: str | None) -> None:
    from oracle.stake.elsewhere import elsewhere

    async with opened_actor(config_path, wallet) as actor:
        whom = operator or actor.hand.account
        with _amounts():
            steps = await actor.pools.delegate(actor.pools.pool(source), whom, amount)
        notes = await elsewhere(actor.desk.reads, actor.desk.system, "delegate", whom)
        await carry_out(actor, wallet, steps, notes)


@contextmanager
def _amounts() -> Iterator[None]:
    """What is written wrong is told as such."""
    try:
        yield
    except ValueError as e:
        raise Exit(str(e), ExitCode.USAGE) from None


@stake.command(cls=AmountCommand)
@click.argument("amount", default="all")
@_OPERATOR
@_POOL
@acting
@click.pass_obj
def undelegate(config_path: Path, /, *, wallet: Wallet, amount: str, operator: str, source: str | None) -> None:
    """Ask shares back that are worth AMOUNT tokens now, all without it, and say when they can be withdrawn; 0 takes an exit back."""
    asyncio.run(_undelegate(config_path, wallet, amount, operator, source))


async def _undelegate(config_path: Path, wallet: Wallet, amount: str, operator: str, source: str | None) -> None:
    from oracle.stake.moments import moment

    async with opened_actor(config_path, wallet) as actor:
        pool = actor.pools.pool(source)
        with _amounts():
            steps = await actor.pools.undelegate(pool, operator, amount)
        opens_s = await actor.hand.answered_number(steps[0])
        closes_s = opens_s + await actor.pools.window_s(pool) if opens_s else 0
        when = f"the exit opens at {moment(opens_s)} and closes at {moment(closes_s)}: then `stake withdraw`"
        notes = [when] if opens_s else ["nothing leaves any more"]
        await carry_out(actor, wallet, steps, notes, opens_s=opens_s, closes_s=closes_s)


@stake.command()
@_OPERATOR
@_POOL
@acting
@click.pass_obj
def withdraw(config_path: Path, /, *, wallet: Wallet, operator: str, source: str | None) -> None:
    """Withdraw what was asked back, while its exit is open."""
    asyncio.run(_withdraw(config_path, wallet, operator, source))


async def _withdraw(config_path: Path, wallet: Wallet, operator: str, source: str | None) -> None:
    async with opened_actor(config_path, wallet) as actor:
        await carry_out(actor, wallet, await actor.pools.withdraw(actor.pools.pool(source), operator))


COMMANDS = (stake,)
