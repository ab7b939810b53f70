"""What the commands of stake share: the contracts of a target, the account that acts, and carrying steps out or only saying them."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

if TYPE_CHECKING:
    from oracle.chain.manual_payer import ManualPayer
    from oracle.config.resolve import ResolvedConfig
    from oracle.stake.discover import StakeSystem
    from oracle.stake.hand import StakeHand, StakeStep
    from oracle.stake.plans import Planner
    from oracle.stake.pool_plans import PoolPlanner
    from oracle.stake.reads import StakeReads

Later = Callable[[], Awaitable[Sequence["StakeStep"]]]
_BELOW_ZERO = re.compile(r"-[0-9.].*")
PASSPHRASE = "LRT_ORACLE_WALLET_PASSPHRASE"  # noqa: S105 - names an environment variable


@dataclass(frozen=True, kw_only=True)
class Wallet:
    """Who acts, and whether anything is sent: the options of every command that acts."""

    target: str | None
    keyfile: Path | None
    passphrase_env: str
    account: str | None
    dry: bool
    as_json: bool


@dataclass(frozen=True, kw_only=True)
class StakeDesk:
    """A target's contracts at one block."""

    resolved: ResolvedConfig
    target: str
    reads: StakeReads
    system: StakeSystem

    @property
    def max_fee_gwei(self) -> int:
        """Of the target."""
        return self.resolved.config.targets[self.target].max_fee_gwei


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A desk with the account that acts there."""

    desk: StakeDesk
    plan: Planner
    pools: PoolPlanner
    hand: StakeHand


class AmountCommand(click.Command):
    """A command with an amount: a number below 0 is told to be none, and is not taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse it."""
        for word in args:
            if _BELOW_ZERO.fullmatch(word):
                raise click.BadParameter(f"{word!r}: write a positive amount", ctx, param_hint="'AMOUNT'")
        return super().parse_args(ctx, args)


def acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that acts, as one ``wallet``."""
    from functools import wraps

    @click.option("--target", help="Whose store; default: the home store's.")
    @click.option(
        "--keyfile",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Key of the account that acts: an operator's or restaker's own, no report key, no gas key in use.",
    )
    @click.option("--passphrase-env", default=PASSPHRASE, show_default=True, help="Variable with its passphrase.")
    @click.option("--account", metavar="ADDRESS", help="With --dry, instead of a key.")
    @click.option("--dry", is_flag=True, help="Say what it would do and cost; send nothing.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def whole(
        *args: Any,
        target: str | None,
        keyfile: Path | None,
        passphrase_env: str,
        account: str | None,
        dry: bool,
        as_json: bool,
        **rest: Any,
    ) -> Any:
        wallet = Wallet(
            target=target, keyfile=keyfile, passphrase_env=passphrase_env, account=account, dry=dry, as_json=as_json
        )
        return command(*args, wallet=wallet, **rest)

    return whole  # fmt: skip


def address_option(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """An address as small hex; one of mixed case must have the right checksum."""
    from feeds.chains.abi import address

    if text is None:
        return None
    try:
        return "0x" + address(text).hex()
    except ValueError as e:
        raise click.BadParameter(str(e)) from None


@asynccontextmanager
async def opened_desk(config_path: Path, target: str | None) -> AsyncIterator[StakeDesk]:
    """The contracts of a target, read at the newest block."""
    from oracle.assemble.network import home_store
    from oracle.chain.quorum_rpc import ChainError, QuorumRpc
    from oracle.model.suggest import nearest
    from oracle.stake.discover import discover
    from oracle.stake.reads import StakeReads

    resolved = checked_config(config_path, network=True)
    config, home = resolved.config, home_store(resolved)
    name = target or (home.target if home is not None else next(iter(config.targets), ""))
    if name not in config.targets:
        raise Exit(f"{name!r} is not a target of the config; {nearest(name, config.targets)}", ExitCode.USAGE)
    chain = config.chains[config.targets[name].chain]
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=chain.agree)
    try:
        try:
            reads = await StakeReads.open(nodes)
        except ChainError as e:
            where = f"[chains.{config.targets[name].chain}] in the config"
            raise Exit(f"{e}: look at chain_id and endpoints of {where}", ExitCode.FAILED) from None
        system = await discover(reads, chain.chain_id, config.targets[name].store.lower())
        yield StakeDesk(resolved=resolved, target=name, reads=reads, system=system)
    finally:
        await nodes.close()


@asynccontextmanager
async def opened_actor(config_path: Path, wallet: Wallet) -> AsyncIterator[Actor]:
    """The account that acts at a target's contracts; its queue of nonces is nobody else's meanwhile."""
    from oracle.stake.hand import StakeHand
    from oracle.stake.plans import Planner
    from oracle.stake.pool_plans import PoolPlanner

    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(opened_desk(config_path, wallet.target))
        payer = _payer(desk, wallet)
        if payer is not None:
            stack.push_async_callback(payer.signer.close)
            stack.enter_context(payer.queue())
        account = _account(wallet) if payer is None else payer.signer.address
        hand = StakeHand(
            desk.reads.nodes, desk.system.chain_id, account, None if payer is None else payer.signer, desk.max_fee_gwei
        )
        who = (desk.reads, desk.system, hand.account)
        yield Actor(desk=desk, plan=Planner(*who), pools=PoolPlanner(*who), hand=hand)


def _payer(desk: StakeDesk, wallet: Wallet) -> ManualPayer | None:
    from oracle.chain.manual_payer import ManualPayer

    if wallet.keyfile is None:
        return None
    other = (wallet.keyfile, wallet.passphrase_env)
    return ManualPayer(desk.resolved.config, desk.target, os.environ, other)


def _account(wallet: Wallet) -> bytes:
    from feeds.chains.abi import address

    if not wallet.dry or wallet.account is None:
        raise Exit("who acts? give --keyfile PATH, or with --dry --account ADDRESS", ExitCode.USAGE)
    try:
        return address(wallet.account)
    except ValueError as e:
        raise Exit(f"--account: {e}", ExitCode.USAGE) from None


async def carry_out(
    actor: Actor,
    wallet: Wallet,
    steps: Sequence[StakeStep],
    notes: Sequence[str] = (),
    *,
    then: Later | None = None,
    **facts: Any,
) -> int:
    """Say what each step does, costs and how it is undone; then, unless dry, send one after the other; how many there were.

    Args:
        actor: who acts.
        wallet: its options.
        steps: in order.
        notes: sentences that follow.
        then: more steps, planned once these have landed.
        facts: more of the JSON document.
    """
    offers, done = [], []
    for plan in (steps, None):
        planned = plan if plan is not None else (await then() if then is not None else ())
        offered = await actor.hand.offers(planned)
        offers += [dict(o.document()) for o in offered]
        if offered and not wallet.as_json:
            click.echo("\n".join(line for o in offered for line in o.lines()))
        for step in () if wallet.dry else planned:
            landed = await actor.hand.send(step)
            done.append({"step": landed.name, "tx": landed.tx_hash, "block": landed.block, "gas_used": landed.gas_used})
            if not wallet.as_json:
                click.echo(f"done: {landed.name} in block {landed.block}, {landed.gas_used} gas, {landed.tx_hash}")
    document = {"account": actor.hand.account, "dry": wallet.dry, "steps": offers, "done": done, "notes": list(notes)}
    if wallet.as_json or notes:
        print_result(wallet.as_json, {**document, **facts}, list(notes))
    return len(offers)
