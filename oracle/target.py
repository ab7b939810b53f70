"""One target: connect to its store, take a seat for the operators there, and push what is due. Dry without a gas key."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import structlog
from web3.exceptions import Web3Exception

from oracle.chain import ChainError, StoreClient
from oracle.cosign import Ballot, LocalCosigners, Operator, gather
from oracle.due import acceptable, due
from oracle.push import Pusher, PushRules
from oracle.records import OnChain, PushRow
from oracle.report import cross, decode_item, price_of
from oracle.rounds import Done, Rounds, Seat
from oracle.sign import SignedValues, SignerSet, split
from oracle.store import Store
from oracle.types import FeedSpec, Report

_log = structlog.get_logger("oracle.target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a target needs of the process."""

    store: Store
    rounds: Rounds
    now_ms: Callable[[], int]
    clock_ok: Callable[[], bool]
    on_ballot: Callable[[Ballot], None]
    on_landed: Callable[[PushRow], None]
    on_failed: Callable[[str], None]


class Target:
    """A store that is pushed to.

    Args:
        name: in the config.
        client: the store; without a gas key nothing is sent.
        rules: limits of the pusher.
        feeds: feeds that belong there.
        operators: the signers in this process.
        can_send: whether there is a gas key.
        tools: the process around it.
    """

    def __init__(
        self,
        name: str,
        client: StoreClient,
        rules: PushRules,
        *,
        feeds: Sequence[str],
        operators: Sequence[Operator],
        can_send: bool,
        tools: Tools,
    ) -> None:
        self.name = name
        self.can_send = can_send
        self.onchain: dict[str, OnChain] = {}
        self._client, self._rules, self._feeds, self._operators, self._tools = client, rules, feeds, operators, tools
        self._pusher = Pusher(name, client, tools.store, rules, now_ms=tools.now_ms, on_landed=self._landed)
        self._cosigners: LocalCosigners | None = None
        self._signers: SignerSet | None = None
        self._indexes: Mapping[str, int] = {}
        self._news = False
        self._done: Done | None = None
        self.refusals: deque[str] = deque(maxlen=100)
        self.counts: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Whether the operators have their seat."""
        return self._signers is not None

    @property
    def indexes(self) -> Mapping[str, int]:
        """Index of each feed in the store."""
        return self._indexes

    def offer(self, done: Done) -> None:
        """A round was stored: see whether something of it is due."""
        self._done = done
        self._news = True

    async def turn(self) -> None:
        """One look: connect if need be, settle what is under way, push what is due. The scheduler calls it."""
        try:
            if not self.connected:
                await self._connect()
            await self._pusher.poll()
            await self._push_due()
        except (ChainError, Web3Exception, aiohttp.ClientError, OSError, TimeoutError) as e:
            self.counts["failed"] += 1
            self._tools.on_failed(type(e).__name__)
            _log.warning("the target does not answer; the next endpoint is tried", target=self.name, why=str(e)[:300])
            self._signers = None  # the signer set may have changed: it is read anew
            await self._go_over()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _go_over(self) -> None:
        """Use the first endpoint that is well; where none is, the next turn tries again."""
        with contextlib.suppress(ChainError):
            await self._client.choose()

    async def ballot(self, feeds: Sequence[str]) -> Ballot | None:
        """Have a batch of these feeds signed for the newest round; None before the first round or without a seat."""
        done = self._done
        if done is None or not done.values or self._cosigners is None or self._signers is None:
            return None
        return await self._vote(done.values, [self._indexes[f] for f in feeds if f in self._indexes])

    async def _connect(self) -> None:
        signers = await self._client.connect()
        indexes = self._bind(await self._client.feeds())
        await self._pusher.start(indexes)
        strangers = [o.name for o in self._operators if o.address not in signers.signers]
        if strangers:
            _log.error("operators that the store does not know sign in vain", target=self.name, operators=strangers)
        self._signers, self._indexes = signers, indexes
        members = [o for o in self._operators if o.address in signers.signers]
        self._cosigners = LocalCosigners(members, signers, now_ms=self._tools.now_ms, clock_ok=self._tools.clock_ok)
        self._tools.rounds.seat = Seat(target=self.name, signers=signers, indexes=indexes)
        for row in self._tools.store.pushes(self.name, ("landed",))[-50:]:
            self._note(row)
        _log.info(
            "target connected", target=self.name, feeds=len(indexes), threshold=signers.threshold, dry=not self.can_send
        )

    def _bind(self, known: Mapping[str, int]) -> dict[str, int]:
        missing = [f for f in self._feeds if f not in known]
        if missing:
            raise ChainError(
                f"not registered in the store: {', '.join(missing)}; run `lrt-oracle deploy` or register them"
            )
        return {f: known[f] for f in self._feeds}

    async def _push_due(self) -> None:
        if not self._news or self._pusher.busy or not self.can_send or self._done is None:
            return
        self._news = False
        wanted = await self._due(self._done)
        if not wanted:
            return
        ballot = await self._vote(self._done.values, sorted(wanted))
        if ballot.batch is None:
            self.counts["unsigned"] += 1
            _log.warning(
                "no quorum for a push", target=self.name, refused=[f"{r.operator}: {r.text}" for r in ballot.refusals]
            )
            return
        row = await self._pusher.submit(ballot.batch)
        if row is not None:
            self.counts["submitted"] += 1
            _log.info(
                "push", target=self.name, round_time=row.round_s, why={self._feed(i): w for i, w in wanted.items()}
            )

    async def _due(self, done: Done) -> dict[int, str]:
        """Feeds worth the gas now, by index, with the reason. When one is due, its companions of the heartbeat go along."""
        _, block_time_s = await self._client.block()
        reports = {r.feed: r.report for r in done.records}
        out: dict[int, str] = {}
        for feed, index in self._indexes.items():
            fresh, stored = reports.get(feed), self._pusher.stored.get(index)
            if fresh is None:
                continue
            why = due(self._spec(feed), stored, fresh)
            if (
                why
                and acceptable(stored, fresh, block_time_s=block_time_s, max_push_age_s=self._rules.max_push_age_s)
                is None
            ):
                out[index] = why
        return out | self._companions(reports, out) if out else {}

    def _companions(self, reports: Mapping[str, Report], out: Mapping[int, str]) -> dict[int, str]:
        """Feeds that go along because a push is made anyway and their own heartbeat is half over: cheaper than two."""
        along: dict[int, str] = {}
        for feed, index in self._indexes.items():
            fresh, stored = reports.get(feed), self._pusher.stored.get(index)
            if index in out or fresh is None or stored is None:
                continue
            if 2 * (fresh.round_time_s - stored.round_time_s) >= self._spec(feed).heartbeat_s:
                along[index] = "goes along"
        return along

    async def _vote(self, values: Sequence[SignedValues], indexes: Sequence[int]) -> Ballot:
        if self._cosigners is None or self._signers is None:
            raise ChainError("not connected")
        ballot = await gather(self._cosigners, self._signers, values, indexes)
        for refusal in ballot.refusals:
            self.refusals.append(f"{refusal.operator} refused ({refusal.code}): {refusal.text}")
        self._tools.on_ballot(ballot)
        return ballot

    def _landed(self, row: PushRow) -> None:
        self.counts["landed"] += 1
        self._note(row)
        self._tools.on_landed(row)

    def _note(self, row: PushRow) -> None:
        for index, item in split(row.items).items():
            feed, report = self._feed(index), decode_item(item, row.round_s)[1]
            if feed is not None:
                self._put(feed, self._spec(feed), report, row)
        for feed, spec in self._tools.rounds.specs.items():
            legs = [self._pusher.stored.get(self._indexes[leg]) for leg in spec.legs if leg in self._indexes]
            found = [leg for leg in legs if leg is not None]
            if spec.is_cross and len(found) == len(spec.legs):
                self._put(feed, spec, cross(found), row)

    def _put(self, feed: str, spec: FeedSpec, report: Report, row: PushRow) -> None:
        self.onchain[feed] = OnChain(
            target=self.name,
            round_time_s=report.round_time_s,
            price_wad=price_of(report, spec.mode),
            landed_at_ms=row.landed_ms or 0,
            tx_hash=row.tx_hash,
        )

    def _feed(self, index: int) -> str | None:
        return next((f for f, i in self._indexes.items() if i == index), None)

    def _spec(self, feed: str) -> FeedSpec:
        return self._tools.rounds.specs[feed]
