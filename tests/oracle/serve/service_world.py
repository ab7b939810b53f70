"""A price service over real rounds, real operators and two targets without a chain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import coincurve

from feeds.units import MS
from oracle.model.publication import OnChain
from oracle.model.target_status import SignerQuorum, TargetStatus
from oracle.push.attestation import Attesters, CollectCut
from oracle.round.live import Live
from oracle.round.rounds import Round, Rounds
from oracle.round.seat import HomeStore, SignerSeat
from oracle.round.silent import silent_feeds
from oracle.serve.history import HistoryReaders
from oracle.serve.service import PriceService
from oracle.sign.eip712 import address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal
from oracle.sign.signed_batch import CollectedSignatures
from oracle.storage.database import Database
from tests.oracle.network.agreement_world import agreed_round, agreements_here, in_own_loop
from tests.oracle.round.round_world import SPECS, member, observed
from tests.oracle.serve.reader_work import in_threads
from tests.oracle.sign.sign_world import DOMAIN, KEYS, SIGNERS

ROUND_S = 1_700_000_000
INDEXES = {"wdivETH/ETH": 0, "ETH/USD": 1}


class CountingTarget:
    """A target without a chain: real operators sign, and every request to them is counted in ``requested``."""

    onchain: Mapping[str, OnChain] = {}
    current_status = TargetStatus(
        target="main", sends=True, connected=True, looked_at_ms=ROUND_S * MS, pushes_left=900, few_pushes=100, feeds=(),
        quorum=SignerQuorum(weight=3, threshold=2, missing=()),
    )  # fmt: skip

    @property
    def feeds_to_push(self) -> set[str]:
        return {f.feed for f in self.current_status.feeds} if self.current_status.sends else set()

    def status(self) -> TargetStatus:
        return replace(self.current_status, connected=self.connected)

    def __init__(self, name: str, operators: Sequence[Operator], signers: SignerSet, collect: CollectCut) -> None:
        self.requested: list[str] = []
        self.connected = True
        self.newest: Round | None = None
        self.attesters = Attesters(name, operators, now_ms=lambda: ROUND_S * MS, collect=collect)
        self.attesters.take_seats(signers, INDEXES)

    async def collect_signatures(self, feeds: Sequence[str]) -> CollectedSignatures | None:
        self.requested += feeds
        await asyncio.sleep(0)
        assert self.newest is not None
        return await self.attesters.collect_signatures(self.newest, [INDEXES[f] for f in feeds])


class ServiceWorld:
    """Two targets, three operators, rounds. ``at_ms``: the clock."""

    def __init__(
        self,
        folder: Path,
        database: Database | None = None,
        *,
        started: bool = True,
        reports: bool = True,
        readers: HistoryReaders | None = None,
        keys: Sequence[coincurve.PrivateKey] = KEYS,
        signers: SignerSet = SIGNERS,
    ) -> None:
        self.at_ms = ROUND_S * MS
        self.operators = [
            Operator(f"op{i}", k, SignJournal(folder / f"{i}.db", address_of(k), now_ms=0, mute_ms=0), bound_bps=100)
            for i, k in enumerate(keys)
        ]
        other = replace(signers, domain=replace(DOMAIN, chain_id=10))
        self.agreements = agreements_here(self.operators, now_ms=lambda: self.at_ms)
        sets = {"main": signers, "side": other}
        self.targets = {n: CountingTarget(n, self.operators, s, self.agreements.cut) for n, s in sets.items()}
        members = [replace(member(name=o.name), signer=o) for o in self.operators]
        self.rounds = Rounds(SPECS, members, HomeStore(target="main", feeds=frozenset(INDEXES)))
        for name, of_target in sets.items():
            self.rounds.take_seat(SignerSeat(target=name, signers=of_target, indexes=INDEXES))
        self.database = database or Database(":memory:")
        self.service = PriceService(
            SPECS, self.database, Live(SPECS, self.rounds.members[0].states.__getitem__, lambda *_: []), self.targets,
            interval_s=10, now_ms=lambda: self.at_ms, offset_ms=lambda: 0, reports=reports,
            readers=readers or HistoryReaders(Path("unused.db"), executor=in_threads),
        )  # fmt: skip
        if started:
            self.round(ROUND_S)

    def round(self, round_s: int, price: str = "1.04") -> Round:
        """A round as a process makes it, shown and offered to the targets."""
        self.at_ms = round_s * MS
        done = in_own_loop(agreed_round(self.rounds, self.agreements, round_s, observed(round_s * MS, price)))
        silent = silent_feeds(done, SPECS)
        self.database.save_round(done.feeds, done.agreements, done.records, done.transitions, silent)
        self.rounds.commit(done)
        for target in self.targets.values():
            target.newest = done
        self.service.publish(done)
        return done
