"""What signers earn: the report of an epoch, computed again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.shell import Exit, ExitCode, checked_config, print_result

if TYPE_CHECKING:
    from oracle.config.resolve import ResolvedConfig
    from oracle.rewards.recomputed import RecomputedReport


@click.command()
@click.argument("epoch", type=click.IntRange(1, (1 << 48) - 1))
@click.option("--contract", required=True, metavar="ADDRESS", help="Of the Rewards contract.")
@click.option("--target", help="Whose store's signers it pays; default: the home store's.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def rewards(config_path: Path, /, *, epoch: int, contract: str, target: str | None, as_json: bool) -> None:
    """Compute the rewards of an epoch from what was posted, and hold them against the root: who was there, and is owed what.

    Exit status: 0 they are the same, 1 they differ, 3 nothing is posted.
    """
    from oracle.config.tables.forms import raw_address

    try:
        address = raw_address(contract)
    except ValueError as e:
        raise Exit(f"--contract: {e}", ExitCode.USAGE) from None
    resolved = checked_config(config_path, network=True)
    found = asyncio.run(_recomputed(resolved, target, address, epoch))
    print_result(as_json, {"epoch": epoch, **found.document()}, found.lines())
    sys.exit(ExitCode.FAILED if found.faults else ExitCode.DONE)


async def _recomputed(resolved: ResolvedConfig, target: str | None, contract: bytes, epoch: int) -> RecomputedReport:
    from oracle.assemble.network import home_store
    from oracle.chain.quorum_rpc import QuorumRpc
    from oracle.config.tables.forms import raw_address
    from oracle.model.suggest import nearest
    from oracle.rewards.posted import RewardsReads
    from oracle.rewards.recomputed import recompute
    from oracle.sign.eip712 import Domain

    config, home = resolved.config, home_store(resolved)
    name = target or (home.target if home is not None else next(iter(config.targets), ""))
    if name not in config.targets:
        raise Exit(f"{name!r} is not a target of the config; {nearest(name, config.targets)}", ExitCode.USAGE)
    chain = config.chains[config.targets[name].chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(config.targets[name].store))
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=chain.agree)
    try:
        reads = await RewardsReads.open(nodes, contract, domain)
        frozen, posted = await reads.frozen(epoch), await reads.posted(epoch)
        if frozen is None:
            raise Exit(f"no set was frozen for epoch {epoch}: nobody can report it", ExitCode.ABSTAINED)
        if posted is None:
            raise Exit(f"no report of epoch {epoch} is posted", ExitCode.ABSTAINED)
        return await recompute(reads, frozen, posted)
    finally:
        await nodes.close()


COMMANDS = (rewards,)
