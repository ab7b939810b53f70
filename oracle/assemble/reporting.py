"""The reports of epochs of a process: its Rewards contract, who pays there, and the operators that agree on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from oracle.agree.wire import BesideWord, EpochWord
from oracle.chain.chain_links import ChainLinks
from oracle.chain.quorum_rpc import QuorumRpc
from oracle.config.check_rewards import rewards_target
from oracle.config.sections import Config
from oracle.config.tables.forms import raw_address
from oracle.config.tables.rewards_sections import RewardsSection
from oracle.network.agreements import Agreements
from oracle.network.operator_network import OperatorNetwork
from oracle.network.store_peers import StorePeers
from oracle.push.stages import StagePace, next_turn_ms
from oracle.rewards.roots.duty import RootDuty, RootProcess, RootSettings
from oracle.rewards.roots.peers import NoRootPeers, RootPeers, TurnOf
from oracle.rewards.roots.poster import PostingPlace, PostingSigner, RootPoster
from oracle.runtime.clock import Clock
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain
from oracle.sign.operator import Operator
from oracle.sign.remote.open_key import open_key
from oracle.storage.database import Database

_MEMBERS = "epochs' reports"
_log = structlog.get_logger("oracle.assemble.reporting")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peers:
    """The operators of other processes, for words about epochs."""

    store: StorePeers
    network: OperatorNetwork

    def tell(self, epoch: int, body: bytes) -> None:
        self.store.tell(0, EpochWord(epoch, body))

    def answer(self, to: bytes, epoch: int, body: bytes) -> None:
        self.store.answer(to, EpochWord(epoch, body))

    def note_members(self, keys: Iterable[bytes]) -> None:
        self.network.note_members(_MEMBERS, keys)


def root_duty(
    config: Config,
    clock: Clock,
    database: Database,
    environ: Mapping[str, str],
    *,
    operators: Sequence[Operator],
    agreements: Agreements,
    network: OperatorNetwork | None,
    links: ChainLinks | None = None,
) -> RootDuty | None:
    """What makes the reports of epochs; None where no contract is configured.

    Raises:
        KeyfileError: the key that pays for them does not open.
    """
    rewards, name = config.rewards, rewards_target(config)
    if rewards.contract is None or name is None or not operators:
        return None
    target, contract = config.targets[name], raw_address(rewards.contract)
    chain = config.chains[target.chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    nodes = QuorumRpc(chain.endpoints, chain_id=chain.chain_id, agree=target.agree)
    if links is not None:
        links.note(target.chain, nodes)
    store = None if network is None else StorePeers(domain=domain, agreements=agreements, network=network)
    peers: RootPeers = NoRootPeers()
    if store is not None and network is not None:
        peers = _Peers(store=store, network=network)
    signer, poster = _signer(rewards, environ, clock), None
    if signer is not None:
        place = PostingPlace(
            load=lambda epoch: database.posting(name, epoch),
            save=lambda epoch, raw: database.save_posting(name, epoch, raw),
            now_ms=clock.now_ms,
        )
        poster = RootPoster(
            nodes, chain.chain_id, contract, signer, max_fee_gwei=target.max_fee_gwei,
            confirmations=target.confirmations, place=place,
        )  # fmt: skip
    duty = RootDuty(
        RootSettings(
            target=name, domain=domain, contract=contract, interval_s=config.oracle.round_interval_s,
            attempt_s=rewards.attempt_s, confirmations=target.confirmations,
        ),
        nodes,
        RootProcess(
            database=database, operators=operators, now_ms=clock.now_ms, clock_ok=clock.may_sign,
            on_clone=lambda operator: _mute(agreements, operator), peers=peers, turn=turn_after(rewards.stage_s),
        ),
        poster,
    )  # fmt: skip
    if store is not None:
        store.listen(lambda sender, _, word: _heard(duty, sender, word))
    return duty


def turn_after(stage_s: int) -> TurnOf:
    """Whose turn it is, by the rule of pushes: each place has a stage, and after the last one the first has its turn again."""
    pace = StagePace(silent_ms=stage_s * 1_000, announced_ms=stage_s * 1_000)

    def is_ours(order: Sequence[bytes], me: bytes, began_ms: int, now_ms: int) -> bool:
        return next_turn_ms(order, me, began_ms, (), now_ms, pace) == now_ms

    return is_ours


def _heard(duty: RootDuty, sender: bytes, word: BesideWord) -> str:
    return duty.hear(sender, word.epoch, word.body) if isinstance(word, EpochWord) else ""


def _mute(agreements: Agreements, operator: Operator) -> None:
    for member in agreements.members:
        if member.address == operator.address:
            agreements.mute(member)


def _signer(rewards: RewardsSection, environ: Mapping[str, str], clock: Clock) -> PostingSigner | None:
    """The key that pays; None, with a warning where one is named, where there is none."""
    remote = open_key(rewards, environ, now_ms=clock.now_ms)
    if remote is not None:
        return remote
    if rewards.gas_keyfile is None:
        return None
    if not keyfiles.has_passphrase(rewards.passphrase_env, environ):
        _log.warning("reports of epochs are posted by others: their key is closed here", set=rewards.passphrase_env)
        return None
    return keyfiles.LocalSigner(keyfiles.load(Path(rewards.gas_keyfile), rewards.passphrase_env, environ))
