"""The targets of the config: a client of each store, the gas key that pays there, and where its outcomes are counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import structlog

from oracle.agree.outcome import RoundOutcome, name_of
from oracle.chain.chain_links import ChainLinks
from oracle.chain.directory import Directory
from oracle.chain.store_client import GasSigner, StoreClient
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.schema import ConfigError, Problem
from oracle.model.publication import PushRow
from oracle.network.agreements import Agreements
from oracle.network.members_reader import MembersReader
from oracle.network.operator_network import OperatorNetwork
from oracle.network.store_peers import StorePeers
from oracle.network.tally import Tally
from oracle.push.context import OtherOperators, TargetContext
from oracle.push.due import PushPolicy
from oracle.push.settings import PushRules
from oracle.push.target import Target
from oracle.round.rounds import Rounds
from oracle.runtime.clock import Clock
from oracle.runtime.log_limit import LogBudget
from oracle.serve.metrics import Metrics
from oracle.sign import keyfiles
from oracle.sign.eip712 import Domain
from oracle.sign.messages import Refusal
from oracle.sign.operator import Operator
from oracle.sign.remote.open_key import open_key
from oracle.sign.signed_batch import CollectedSignatures
from oracle.storage.database import Database

_log = structlog.get_logger("oracle.assemble.targets")
_SAMPLES = 20_000
_SENTENCES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Counts and logs what becomes of rounds and pushes.

    Attributes:
        tally: of the last hour's rounds.
        receipt_ms: from making a push to its receipt, the newest.
        misbehaviour: what operators were seen to do, a sentence each, the newest.
    """

    metrics: Metrics
    tally: Tally = field(default_factory=Tally)
    receipt_ms: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    misbehaviour: deque[str] = field(default_factory=lambda: deque(maxlen=_SENTENCES))
    _told: LogBudget = field(default_factory=LogBudget)

    def landed(self, row: PushRow) -> None:
        """A push is in the chain."""
        took_ms = (row.landed_ms or row.made_ms) - row.made_ms
        self.receipt_ms.append(took_ms)
        self.metrics.landed(row.target, took_ms)

    def collected(self, signatures: CollectedSignatures) -> None:
        """Signatures of a batch were asked for."""
        self.refused(signatures.refusals)

    def agreed(self, outcome: RoundOutcome) -> None:
        """A round of a store was agreed on, or not."""
        self.refused(outcome.refusals)
        self.tally.note(outcome)
        names = {m.address: m.name for m in outcome.members}
        for found in outcome.evidence:
            name = name_of(names, found.address)
            self.metrics.misbehaved(name, found.kind.value)
            self.misbehaviour.append(f"{name} ({found.kind}) in round {found.round_time_s}: {found.text}")
        if outcome.sealed is None:
            self.metrics.unsealed(outcome.terms.target)
            _log.warning(
                "a round was not sealed", target=outcome.terms.target, round_time=outcome.terms.round_time_s,
                why=outcome.why,
            )  # fmt: skip

    def refused(self, refusals: Iterable[Refusal]) -> None:
        """Operators would not sign."""
        for refusal in refusals:
            self.metrics.refused(refusal)
            kind = ("refused", refusal.operator, refusal.code)
            if (more := self._told.more(kind)) is not None:
                _log.warning(
                    "an operator does not sign", operator=refusal.operator, code=refusal.code.value, why=refusal.text,
                    more_since_the_last_line=more,
                )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBuilder:
    """Makes the targets.

    Args:
        resolved: the checked config.
        environ: where passphrases are.
        clock: the time of the process.
        database: where pushes are journalled.
        rounds: what is pushed.
        agreements: have its batches signed.
        operators: the signers of it.
        outcomes: counts what became of its pushes.
        report_keys: the operator of each report key: none of these keys may pay.
        network: the operators of other processes; None without any.
        links: know who asks which chain.
    """

    resolved: ResolvedConfig
    environ: Mapping[str, str]
    clock: Clock
    database: Database
    rounds: Rounds
    agreements: Agreements
    operators: Sequence[Operator]
    outcomes: Outcomes
    report_keys: Mapping[bytes, str]
    network: OperatorNetwork | None = None
    links: ChainLinks = field(default_factory=ChainLinks)

    def target(self, name: str, section: TargetSection) -> Target:
        """The target of a section.

        Raises:
            ConfigError: its gas key is a report key.
            KeyfileError: its keyfile does not open.
        """
        signer = self._gas_signer(name, section)
        client = self._client(section, signer)
        self.links.note(section.chain, client.nodes)
        return Target(
            name,
            client,
            PushRules(
                max_push_age_s=section.max_push_age_s,
                bump_after_s=section.bump_after_s,
                confirmations=section.confirmations,
            ),
            feeds=self.resolved.pushed,
            operators=self.operators,
            can_send=signer is not None,
            closed=section.passphrase_env if signer is None and section.gas_keyfile is not None else "",
            round_s=self.resolved.config.oracle.round_interval_s,
            context=self._context(name),
            policy=PushPolicy(**{f.name: getattr(section, f.name) for f in fields(PushPolicy)}),
            warn_pushes=section.warn_pushes,
            views=[raw_address(v) for v in section.pokes],
            others=self._others(name, client, signer),
        )

    def _peers(self, client: StoreClient, signer: GasSigner | None) -> StorePeers | None:
        """The operators of other processes at a store, who learn whether this one pays there."""
        if self.network is None:
            return None
        if signer is not None:
            self.network.note_purse(client.domain, signer.address)
        return StorePeers(domain=client.domain, agreements=self.agreements, network=self.network)

    def _client(self, section: TargetSection, signer: GasSigner | None) -> StoreClient:
        chain = self.resolved.config.chains[section.chain]
        return StoreClient(
            chain.endpoints,
            Domain(chain_id=chain.chain_id, store=raw_address(section.store)),
            signer,
            max_fee_gwei=section.max_fee_gwei,
            agree=section.agree,
            tip_percentile=section.tip_percentile,
            multicall=chain.multicall,
            relays=section.relays,
            passphrase_env=section.passphrase_env,
        )

    def _others(self, name: str, client: StoreClient, signer: GasSigner | None) -> OtherOperators:
        """The operators of other processes at a store; nobody without a network."""
        if self.network is None:
            return OtherOperators()
        return OtherOperators(
            members=MembersReader(client),
            on_members=partial(self.network.note_members, name),
            peers=self._peers(client, signer),
        )

    def find_directory(self, client: StoreClient) -> None:
        """The home store's chain has the directory of its operators, if there is one: it is read through this client."""
        network, section = self.network, self.resolved.config.network
        if network is None or section is None or section.directory is None or client.domain != network.place.domain:
            return
        network.directory = Directory(client.nodes, raw_address(section.directory), client.domain)

    def _context(self, name: str) -> TargetContext:
        metrics = self.outcomes.metrics
        return TargetContext(
            database=self.database,
            rounds=self.rounds,
            now_ms=self.clock.now_ms,
            collect=self.agreements.cut,
            on_signatures=self.outcomes.collected,
            on_landed=self.outcomes.landed,
            on_failed=partial(metrics.failed, name),
            on_look_failed=partial(metrics.pushes.look_failed, name),
            on_spent=partial(metrics.pushes.spent, name),
            on_balance=partial(metrics.balance, name),
            on_unpoked=partial(metrics.unpoked, name),
            on_stage=partial(metrics.staged, name),
            on_announced=partial(metrics.announced, name),
        )

    def _gas_signer(self, name: str, section: TargetSection) -> GasSigner | None:
        """The gas key, in a keyfile or elsewhere; None, with a warning, where there is none: a dry run."""
        remote = open_key(section, self.environ, now_ms=self.clock.now_ms)
        if remote is not None:
            return remote
        if section.gas_keyfile is None or not keyfiles.has_passphrase(section.passphrase_env, self.environ):
            _log.warning("no gas key: dry run, everything but sending", target=name, set=section.passphrase_env)
            return None
        key = keyfiles.load(Path(section.gas_keyfile), section.passphrase_env, self.environ)
        signer = keyfiles.LocalSigner(key)
        owner = self.report_keys.get(signer.address)
        if owner is not None:
            text = f"is also the report key of operator {owner!r}: the gas key must have no authority, use two keys"
            raise ConfigError([Problem(f"targets.{name}.gas_keyfile", text)])
        return signer
