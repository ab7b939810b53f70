"""What signers earn: the report of an epoch, made by hand and computed again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result
from oracle.cli.stake_desk import Wallet, acting, address_option, carry_out, opened_actor

if TYPE_CHECKING:
    from oracle.cli.stake_desk import Actor
    from oracle.config.resolve import ResolvedConfig
    from oracle.rewards.frozen import FrozenEpoch
    from oracle.rewards.manual import ManualReport
    from oracle.rewards.posted import RewardsReads
    from oracle.rewards.recomputed import RecomputedReport
    from oracle.rewards.roots.words import RootWord
    from oracle.stake.hand import StakeStep


@dataclass(frozen=True)
class _Place:
    """A Rewards contract, 20 bytes, and the target whose store's signers it pays."""

    resolved: ResolvedConfig
    target: str
    contract: bytes


def _hex(_: click.Context, __: click.Parameter, text: str | bytes) -> bytes:
    try:
        return text if isinstance(text, bytes) else bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        raise click.BadParameter("write 0x and hex digits, as this command prints them") from None


def _place(resolved: ResolvedConfig, target: str | None, contract: str) -> _Place:
    from feeds.chains.abi import address
    from oracle.assemble.network import home_store
    from oracle.model.suggest import nearest

    config, home = resolved.config, home_store(resolved)
    name = target or (home.target if home is not None else next(iter(config.targets), ""))
    if name not in config.targets:
        raise Exit(f"{name!r} is not a target of the config; {nearest(name, config.targets)}", ExitCode.USAGE)
    try:
        return _Place(resolved, name, address(contract))
    except ValueError as e:
        raise Exit(f"--contract: {e}", ExitCode.USAGE) from None


@asynccontextmanager
async def _reading(place: _Place) -> AsyncIterator[RewardsReads]:
    from oracle.chain.quorum_rpc import QuorumRpc
    from oracle.config.tables.forms import raw_address
    from oracle.rewards.posted import RewardsReads
    from oracle.sign.eip712 import Domain

    target = place.resolved.config.targets[place.target]
    chain = place.resolved.config.chains[target.chain]
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=chain.agree)
    try:
        domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
        yield await RewardsReads.open(nodes, place.contract, domain)
    finally:
        await nodes.close()


class _ByEpoch(click.Group):
    """What is no word of it is an epoch, or an option of that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in that people leave out."""
        left_out = bool(args) and args[0] not in self.commands and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["epoch", *args] if left_out else args)


@click.group(cls=_ByEpoch)
def rewards() -> None:
    """What signers earn: `rewards EPOCH` computes a posted report again, `rewards claim` has it paid."""


@rewards.command("epoch")
@click.argument("epoch", type=click.IntRange(1, (1 << 48) - 1))
@click.option("--contract", required=True, metavar="ADDRESS", help="Of the Rewards contract.")
@click.option("--target", help="Whose store's signers it pays; default: the home store's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def rewards_of_epoch(config_path: Path, /, *, epoch: int, contract: str, target: str | None, as_json: bool) -> None:
    """Compute the rewards of an epoch from what was posted, and hold them against the root: who was there, and is owed what.

    Exit status: 0 they are the same, 1 they differ, 3 nothing is posted.
    """
    place = _place(checked_config(config_path, network=True), target, contract)
    found = asyncio.run(_recomputed(place, epoch))
    print_result(as_json, {"epoch": epoch, **found.document()}, found.lines())
    sys.exit(ExitCode.FAILED if found.faults else ExitCode.DONE)


async def _recomputed(place: _Place, epoch: int) -> RecomputedReport:
    from oracle.rewards.recomputed import recompute
    from oracle.rewards.roots.compared import root_faults, word_notes

    async with _reading(place) as reads:
        frozen, posted = await reads.frozen(epoch), await reads.posted(epoch)
        if frozen is None:
            raise Exit(f"no set was frozen for epoch {epoch}: nobody can report it", ExitCode.ABSTAINED)
        if posted is None:
            raise Exit(f"no report of epoch {epoch} is posted", ExitCode.ABSTAINED)
        kept, stakes = _kept(place, frozen)
        found = await recompute(reads, frozen, posted, stakes)
        return replace(
            found,
            faults=(*found.faults, *root_faults(posted, kept)),
            notes=(*found.notes, *word_notes(frozen, posted, kept)),
        )


def _kept(place: _Place, frozen: FrozenEpoch) -> tuple[Sequence[RootWord], tuple[tuple[int, ...], ...] | None]:
    """What this machine has heard and signed of an epoch, and stake at its freeze; nothing where it has no database."""
    from oracle.rewards.roots.kept import kept_stakes, kept_words
    from oracle.storage.reading import DatabaseReader

    path = Path(place.resolved.config.oracle.database)
    if not path.is_file():
        return (), None
    with closing(DatabaseReader(path)) as database:
        return kept_words(database, place.target, frozen.epoch), kept_stakes(database, place.target, frozen)


@rewards.command("claim")
@click.argument("epochs", nargs=-1, type=click.IntRange(1, (1 << 48) - 1), metavar="[EPOCH]...")
@click.option(
    "--operator", "named", multiple=True, metavar="ADDRESS",
    callback=lambda c, p, v: [address_option(c, p, a) for a in v],
    help="Earned with this one; default: all whom the account delegates to, and itself.",
)  # fmt: skip
@acting
@click.pass_obj
def claim_rewards(config_path: Path, /, *, wallet: Wallet, epochs: tuple[int, ...], named: list[str]) -> None:
    """Have the account paid what it earned: as a restaker, and its commissions as an operator.

    EPOCHs: what their reports owe the operators is handed to the sources first; anybody may do that, once.
    """
    asyncio.run(_claim(config_path, wallet, epochs, named))


async def _claim(config_path: Path, wallet: Wallet, epochs: tuple[int, ...], named: list[str]) -> None:
    from oracle.stake.elsewhere import elsewhere
    from oracle.stake.holdings import holdings_document
    from oracle.stake.plans import NothingToDo, Planner
    from oracle.stake.reads import StakeReads

    async with opened_actor(config_path, wallet) as actor:
        desk, me = actor.desk, actor.hand.account
        held = await holdings_document(desk.reads, desk.system, me)
        operators = named or sorted({h["operator"] for h in held["holdings"]} | {me})
        handed = [s for e in sorted(set(epochs)) for s in await _handed_over(actor, e, operators)]

        async def claims() -> list[StakeStep]:
            fresh = await StakeReads.open(desk.reads.nodes)
            return await Planner(fresh, desk.system, me).claim(operators)

        notes = await elsewhere(desk.reads, desk.system, "claim", me)
        if not await carry_out(actor, wallet, handed, notes, then=claims) and not notes:
            raise NothingToDo(f"nothing is owed to {me} now: name EPOCHs whose reports were posted and not handed over")


async def _handed_over(actor: Actor, epoch: int, operators: list[str]) -> list[StakeStep]:
    """What the report of an epoch owes these operators and was not paid to a source yet."""
    desk = actor.desk
    place = _Place(desk.resolved, desk.target, bytes.fromhex(desk.system.rewards[2:]))
    found = await _recomputed(place, epoch)
    if found.computed is None or found.faults:
        raise Exit(f"the report of epoch {epoch} cannot be relied on: {'; '.join(found.faults)}", ExitCode.FAILED)
    steps = []
    for leaf in found.computed.leaves:
        operator, asset = "0x" + leaf.operator.hex(), "0x" + leaf.asset.hex()
        (paid,) = await desk.reads.call(desk.system.rewards, "Rewards", "isPaid", leaf.hash)
        if operator in operators and not paid:
            named = (leaf.epoch, operator, leaf.source, asset, leaf.amount)
            steps.append(await actor.plan.hand_over(named, found.computed.tree.proof(leaf.hash)))
    return steps


@click.command()
@click.argument("epoch", type=click.IntRange(1, (1 << 48) - 1))
@click.option("--contract", required=True, metavar="ADDRESS", help="Of the Rewards contract.")
@click.option("--target", help="Whose store's signers it pays; default: the home store's.")
@click.option("--words", default=b"", metavar="HEX", callback=_hex, help="Words of other machines, after each other.")
@click.option("--propose", is_flag=True, help="Make the grounds of all words; one machine does, the others take them.")
@click.option("--grounds", default=b"", metavar="HEX", callback=_hex, help="That another machine has proposed.")
@click.option("--signatures", default=b"", metavar="HEX", callback=_hex, help="Of other machines, after each other.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def report(
    config_path: Path,
    /,
    *,
    epoch: int,
    contract: str,
    target: str | None,
    words: bytes,
    propose: bool,
    grounds: bytes,
    signatures: bytes,
    as_json: bool,
) -> None:
    """Say who was there in an epoch that has ended, and sign what it owes, by this machine's operators and with what others said.

    Where operators have decided by themselves on grounds, these are taken. Elsewhere all must take those of one machine: a key signs
    one report of an epoch, for good.

    Exit status: 0 all is there that `post` of the contract needs, 3 others have to say or sign something.
    """
    if grounds and propose:
        raise Exit("--grounds and --propose: grounds are another machine's or made here", ExitCode.USAGE)
    place = _place(checked_config(config_path, network=True), target, contract)
    path = Path(place.resolved.config.oracle.database)
    if not path.is_file():
        raise Exit(f"no database at {path}: run the oracle first", ExitCode.ABSTAINED)
    found = asyncio.run(_reported(place, epoch, words, grounds, signatures, propose=propose))
    print_result(as_json, {"epoch": epoch, **found.document()}, found.lines())
    sys.exit(ExitCode.DONE if found.suffices else ExitCode.ABSTAINED)


async def _reported(
    place: _Place, epoch: int, words: bytes, grounds: bytes, signatures: bytes, *, propose: bool
) -> ManualReport:
    import os
    from contextlib import ExitStack

    from oracle.assemble.operators import OperatorBuilder
    from oracle.rewards.manual import EpochView, ReportDesk
    from oracle.rewards.roots.compared import decided_grounds
    from oracle.rewards.roots.kept import kept_words
    from oracle.runtime.clock import Clock
    from oracle.storage.database import Database

    async with _reading(place) as reads:
        frozen, ended_s = await reads.frozen(epoch), await reads.ended_s(epoch)
        if frozen is None or ended_s is None:
            why = "no set was frozen for it" if frozen is None else "it has not ended"
            raise Exit(f"nobody can report epoch {epoch}: {why}", ExitCode.ABSTAINED)
        stakes, pots = await reads.stakes(frozen), await reads.pots(epoch)
    view = EpochView(frozen=frozen, stakes=stakes, pots=pots, ended_s=ended_s)
    with ExitStack() as opened:
        database, clock = Database(place.resolved.config.oracle.database), Clock()
        opened.callback(database.close)
        builder = OperatorBuilder(place.resolved, os.environ, clock, database, opened)
        for section in place.resolved.config.operators:
            builder.operator(section)
        desk = ReportDesk(view, builder.made, database, place.target, clock.now_ms())
        if not grounds and not propose:
            grounds = decided_grounds(kept_words(database, place.target, epoch))
        return await desk.report(words, grounds, signatures, propose=propose)


COMMANDS = (rewards, report)
