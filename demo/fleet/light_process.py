"""``python -m demo.fleet.light_process PLAN NUMBER``: a light operator, to measure what the network costs.

It has what an operator has between its own prices and a sealed round: report key and journal on disk, network key, the mesh
over real sockets with TLS, the agreement with all its signatures. It has no venues, no chain, no fold and no endpoint: its
prices are made up, a little apart from the others', and the signer set is in its plan. Delay, loss and stalls, where the plan
asks for them, are put on each payload as it leaves for each member, before the socket, seeded.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import signal
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world.link_conditions import CALM, Conditions, fate_of
from feeds.units import MS, Bps, Wad
from oracle.agree.ask import RoundAsk
from oracle.agree.leaders import NO_RANDOMNESS, leader_order
from oracle.agree.outcome import RoundOutcome
from oracle.agree.terms import PROTOCOL_VERSION, CommonRules, timing_of
from oracle.model.status import Status, Why
from oracle.model.types import Report
from oracle.network.agreements import Agreements
from oracle.network.mesh.certificates import self_signed
from oracle.network.mesh.roster import Peer
from oracle.network.operator_network import NetworkPlace, OperatorNetwork
from oracle.network.sealed_rounds import SealedRounds
from oracle.network.seats import LocalMember
from oracle.network.times import AgreementClock
from oracle.runtime.clock import now_ms
from oracle.sign import curve
from oracle.sign.eip712 import Domain, address_of
from oracle.sign.messages import SignerSet
from oracle.sign.operator import Operator
from oracle.sign.sign_journal import SignJournal

_ETHER = 10**18
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rounds (
  round_s INTEGER PRIMARY KEY, sealed_ms INTEGER, step INTEGER, items BLOB, attempts INTEGER, why TEXT, bytes_in INTEGER,
  bytes_out INTEGER, cpu_ms INTEGER, rss_kb INTEGER
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightPlan:
    """What all light operators of a run are told.

    Attributes:
        folder: of all.
        keys: report keys, hex: this is a measurement.
        ports: where each listens.
        interval_s: between rounds.
        feeds: of the store.
        threshold: heads.
        seed: of prices and of frames' fates.
        conditions: of each way between two.
        linked_s: Unix time of the first round.
    """

    folder: str
    keys: tuple[str, ...]
    ports: tuple[int, ...]
    interval_s: int
    feeds: int
    threshold: int
    seed: int
    conditions: Mapping[str, Any]
    linked_s: int

    def signers(self) -> SignerSet:
        """The set, of a store that is nowhere."""
        addresses = tuple(address_of(k) for k in self.report_keys())
        domain = Domain(chain_id=31_337, store=b"\x11" * 20)
        return SignerSet(
            domain=domain, epoch=1, signers=addresses, weights=(1,) * len(addresses), threshold=self.threshold
        )

    def report_keys(self) -> list[curve.PrivateKey]:
        """Of all."""
        return [curve.PrivateKey(bytes.fromhex(k)) for k in self.keys]


class Announced:
    """Announcements are kept in memory only."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    def announcements(self) -> list[bytes]:
        """The newest of each."""
        return list(self._kept.values())

    def save_announcement(self, address: bytes, counter: int, raw: bytes) -> None:
        """Keep it."""
        del counter
        self._kept[address] = raw


class RoughNetwork(OperatorNetwork):
    """A network whose payloads meet the fates of a plan before they go to their sockets."""

    conditions: Conditions = CALM
    seed: int = 0
    names: Mapping[bytes, str] = {}
    own: str = ""

    def broadcast(self, payload: bytes) -> None:
        """To each, by a fate of its own."""
        if self.conditions is CALM:
            super().broadcast(payload)
            return
        for address, name in self.names.items():
            if name != self.own:
                self.send(address, payload)

    def send(self, to: bytes, payload: bytes) -> None:
        """By its fate."""
        name = self.names.get(to)
        if self.conditions is CALM or name is None:
            super().send(to, payload)
            return
        counts: dict[str, int] = self.__dict__.setdefault("sent", {})
        number = counts[name] = counts.get(name, -1) + 1
        fate = fate_of(self.conditions, seed=self.seed, dialler=self.own, listener=name, sender=self.own, number=number)
        if not fate.dropped:
            loop = asyncio.get_running_loop()
            times: dict[str, float] = self.__dict__.setdefault("last", {})
            due = max(loop.time() + (fate.late_ms + fate.stalled_ms) / MS, times.get(name, 0.0))
            times[name] = due  # a frame that is late makes those behind it late, as over TCP
            loop.call_at(due, super().send, to, payload)


class LightOperator:
    """One of them.

    Args:
        plan: of all.
        number: its place in the set.
    """

    def __init__(self, plan: LightPlan, number: int) -> None:
        self._plan, self._number = plan, number
        self._signers = plan.signers()
        folder = Path(plan.folder) / f"light{number}"
        folder.mkdir(parents=True, exist_ok=True)
        key = plan.report_keys()[number]
        journal = SignJournal(folder / "journal.db", address_of(key), now_ms=now_ms(), mute_ms=0, newborn=True)
        operator = Operator(f"light{number}", key, journal, bound_bps=100)
        names = {a: f"light{n}" for n, a in enumerate(self._signers.signers)}
        self._network = self._made_network(operator, names)
        self._agreements = Agreements(
            [self._network.member(LocalMember(operator=operator))],
            clock=AgreementClock(now_ms=now_ms, clock_ok=lambda: True),
            rules=CommonRules(),
            timing=timing_of(plan.interval_s),
            order=lambda signers, round_s: leader_order(signers, NO_RANDOMNESS, round_s),
            sealed=SealedRounds(),
            transport=self._network,
            names=names,
        )
        self._network.receive, self._network.say_again = (
            self._agreements.inbox.receive,
            self._agreements.inbox.say_again,
        )
        self._operator = operator
        self._book = sqlite3.connect(folder / "light.db", isolation_level=None)
        self._book.execute("PRAGMA journal_mode=WAL")
        self._book.execute(_SCHEMA)
        self._newest_s = 0

    def _made_network(self, operator: Operator, names: Mapping[bytes, str]) -> RoughNetwork:
        plan = self._plan
        urls = [f"wss://127.0.0.1:{port}" for port in plan.ports]
        place = NetworkPlace(
            domain=self._signers.domain,
            urls=(urls[self._number],),
            host="127.0.0.1",
            port=plan.ports[self._number],
            tls=self_signed(),
            peers={
                a: Peer(address=a, name=names[a], urls=(urls[n],))
                for n, a in enumerate(self._signers.signers)
                if n != self._number
            },
            interval_s=plan.interval_s,
            versions=(PROTOCOL_VERSION,),
            build="light",
        )
        network = RoughNetwork(place, operator, curve.PrivateKey(), Announced(), now_ms=now_ms)
        network.conditions = Conditions(**plan.conditions) if plan.conditions else CALM
        network.seed, network.names, network.own = plan.seed, names, names[operator.address]
        return network

    async def run(self, stop: asyncio.Event) -> None:
        """A round each interval, until it is stopped."""
        await self._network.start()
        self._network.note_members("light", self._signers.signers)
        rounds: set[asyncio.Task[None]] = set()
        at_s = self._plan.linked_s
        try:
            while not stop.is_set():
                await asyncio.sleep(max(0.0, at_s - now_ms() / MS))
                task = asyncio.create_task(self._round(at_s))
                rounds.add(task)
                task.add_done_callback(rounds.discard)
                at_s += self._plan.interval_s
        finally:
            for task in list(rounds):
                task.cancel()
            await self._network.close()
            self._book.close()

    async def _round(self, round_time_s: int) -> None:
        ask = RoundAsk(
            target="light",
            signers=self._signers,
            round_time_s=round_time_s,
            indexes={f"FEED{i}/ETH": i for i in range(self._plan.feeds)},
            reports={self._operator.name: self._reports(round_time_s)},
            sealed_s=self._newest_s,
        )
        outcome = await self._agreements.agree(ask)
        self._newest_s = round_time_s if outcome.sealed is not None else self._newest_s
        self._write(outcome)

    def _reports(self, round_time_s: int) -> dict[int, Report]:
        """Prices that move a little from round to round, and a hair from operator to operator."""
        common = random.Random(f"{self._plan.seed} {round_time_s}")
        own = random.Random(f"{self._plan.seed} {round_time_s} {self._number}")
        return {
            i: Report(
                market_wad=Wad(_ETHER + common.randrange(10**15) + own.randrange(10**13)),
                redemption_wad=Wad(_ETHER),
                spread_bps=Bps(5),
                status=Status.OK,
                why=Why.NONE,
                round_time_s=round_time_s,
                market_age_s=1,
                redemption_age_h=0,
            )
            for i in range(self._plan.feeds)
        }

    def _write(self, outcome: RoundOutcome) -> None:
        links = self._network.links().values()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        sealed = outcome.sealed
        row = (
            outcome.terms.round_time_s,
            outcome.sealed_ms if sealed is not None else None,
            None if sealed is None else sealed.step,
            None if sealed is None else sealed.content.items,
            outcome.attempts,
            outcome.why,
            sum(link.bytes_in for link in links),
            sum(link.bytes_out for link in links),
            int((usage.ru_utime + usage.ru_stime) * MS),
            _rss_kb(),
        )
        self._book.execute("INSERT OR IGNORE INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _rss_kb() -> int:
    """Resident memory now, KiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1_024


def plan_from(path: Path) -> LightPlan:
    """A plan as it was written."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    return LightPlan(**{**fields, "keys": tuple(fields["keys"]), "ports": tuple(fields["ports"])})


async def _main(plan: LightPlan, number: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    running = asyncio.create_task(LightOperator(plan, number).run(stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(_main(plan_from(Path(sys.argv[1])), int(sys.argv[2])))
