"""The keeper of a process: for the store of the watch's target, with the watch's gas key."""

from __future__ import annotations

from collections.abc import Callable

from oracle.chain.call_client import CallClient
from oracle.chain.chain_links import ChainLinks
from oracle.chain.key_queue import KeyQueue
from oracle.chain.store_client import GasSigner
from oracle.config.check_watch import watch_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.keep.keeper import Keeper, KeeperRules
from oracle.keep.keeper_turns import KeeperTurns
from oracle.network.agreements import Agreements
from oracle.network.operator_network import OperatorNetwork
from oracle.network.store_peers import StorePeers
from oracle.sign.eip712 import Domain
from oracle.storage.database import Database


def keeper_of(
    config: Config,
    database: Database,
    now_ms: Callable[[], int],
    *,
    payer: GasSigner | None,
    queue: KeyQueue,
    agreements: Agreements | None = None,
    network: OperatorNetwork | None = None,
    links: ChainLinks | None = None,
) -> Keeper | None:
    """The keeper of a config; None where it is off, or there is no store.

    Args:
        config: the checked config.
        database: of the process.
        now_ms: the clock.
        payer: the key that pays; None: what is due is told only.
        queue: of that key.
        agreements: have the operators of this process; None: it is no member of any set.
        network: reaches the others; None where there are none.
        links: know who asks which chain.
    """
    name = watch_target(config)
    if not config.keeper.on or name is None:
        return None
    target, section = config.targets[name], config.keeper
    chain = config.chains[target.chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    client = CallClient(
        chain.endpoints, domain, payer, max_fee_gwei=target.max_fee_gwei, agree=target.agree,
        tip_percentile=target.tip_percentile, passphrase_env=config.watch.passphrase_env,
    )  # fmt: skip
    if links is not None:
        links.note(target.chain, client.nodes)
    peers = None
    if network is not None and agreements is not None:
        peers = StorePeers(domain=domain, agreements=agreements, network=network)
    members = agreements.members if agreements is not None else ()
    turns = KeeperTurns(
        members[0].address if members else None, peers, payer=b"" if payer is None else payer.address,
        stage_s=section.stage_s, now_ms=now_ms,
    )  # fmt: skip
    rules = KeeperRules(
        kinds=section.kinds, gas_a_day=section.gas_a_day, poor_for_s=section.poor_for_s, refresh_s=section.refresh_s,
        tell_after_s=section.tell_after_s,
    )  # fmt: skip
    return Keeper(
        name, client, database, rules, turns, now_ms=now_ms, queue=queue, bump_after_s=target.bump_after_s,
        confirmations=target.confirmations,
    )  # fmt: skip
