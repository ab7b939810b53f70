"""An epoch on chain: its frozen set, its pots, where stake lay, and the report that was posted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from oracle.chain.block_times import BlockTimes
from oracle.chain.quorum_rpc import ChainError, QuorumRpc
from oracle.chain.rpc_answers import BlockHead, read_head
from oracle.chain.store_abi import call_of, event_topic
from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import MOST_STAKE
from oracle.rewards.report import EpochRewards
from oracle.sign.eip712 import Domain
from oracle.sign.signed_batch import packed_signatures

NAME = "Rewards"
_SET, _SOURCE, _STORE = "IStakedSet", "IStakeSource", "PriceStore"
_MOST_BLOCKS = 64
"""Of one second: some chains make several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedReport:
    """What weight T signed of an epoch.

    Attributes:
        root: of the tree of what is owed.
        posted_s: when, Unix s.
        absent: operators, ascending.
        grounds: that it follows from, as they were posted.
    """

    root: bytes
    posted_s: int
    absent: tuple[bytes, ...]
    grounds: bytes


class RewardsReads:
    """One Rewards contract, read only, at one block.

    Args:
        nodes: endpoints of its chain.
        contract: its address, 20 bytes.
        domain: of the store whose signers it pays.
        head: the block that is read at.
    """

    def __init__(self, nodes: QuorumRpc, contract: bytes, domain: Domain, head: BlockHead) -> None:
        self._nodes, self._contract, self._domain, self._head = nodes, "0x" + contract.hex(), domain, head

    @classmethod
    async def open(cls, nodes: QuorumRpc, contract: bytes, domain: Domain) -> RewardsReads:
        """At the newest block that enough endpoints have reached.

        Raises:
            ChainError: they do not answer, or the contract pays the signers of another store.
        """
        ((number, time_s),) = await nodes.newest_view(read_head)
        reads = cls(nodes, contract, domain, BlockHead(number=number, time_s=time_s))
        (store,) = await reads._own("store")
        if store != "0x" + domain.store.hex():
            raise ChainError(f"{reads._contract} pays the signers of {store}, not of 0x{domain.store.hex()}")
        return reads

    async def earlier(self, blocks: int) -> RewardsReads:
        """The same contract so many blocks before: what it said there stays so, where no reorganisation goes as deep.

        Raises:
            ChainError: endpoints do not answer, or do not agree.
        """
        at = await BlockTimes(self._nodes).block(max(0, self._head.number - blocks))
        head = BlockHead(number=at.number, time_s=at.time_s)
        return RewardsReads(self._nodes, bytes.fromhex(self._contract[2:]), self._domain, head)

    async def frozen(self, epoch: int) -> FrozenEpoch | None:
        """The set of an epoch; None where none was frozen for it.

        Raises:
            ChainError: endpoints do not answer, or do not agree; so does each function here.
        """
        (at,) = await self._own("set")
        (frozen,), (keys, operators, weights) = await asyncio.gather(
            self._call(at, _SET, "frozenOf", epoch), self._call(at, _SET, "membersOf", epoch)
        )
        capture, _, threshold, _ = frozen
        if not capture:
            return None
        return FrozenEpoch(
            domain=self._domain,
            epoch=epoch,
            keys=_raw(keys),
            operators=_raw(operators),
            weights=tuple(weights),
            threshold=threshold,
            capture_s=capture,
        )

    async def ended_s(self, epoch: int) -> int | None:
        """A time at which an epoch had not ended yet, and not long before it did, Unix s; None while it has not ended.

        Nothing of an epoch is signed before it ends: what a journal that was lost may have held is judged by it.
        """
        (ended,) = await self._own("hasEnded", epoch)
        if not ended:
            return None
        (at,) = await self._own("set")
        (own,), (later,) = await asyncio.gather(
            self._call(at, _SET, "frozenOf", epoch), self._call(at, _SET, "frozenOf", epoch + 1)
        )
        return int(later[0] or own[1])

    async def over_s(self, epoch: int) -> int | None:
        """When an epoch was over, Unix s, the same for everybody who asks after that; None while it is not known.

        It is over when the next set took over, or when its last word could be proven no longer, whichever came first.
        """
        (at,) = await self._own("set")
        (store,) = await self._own("store")
        (own,), (later,), (delay_s,) = await asyncio.gather(
            self._call(at, _SET, "frozenOf", epoch), self._call(at, _SET, "frozenOf", epoch + 1),
            self._call(store, _STORE, "rotationDelayS"),
        )  # fmt: skip
        if not own[0]:
            return None
        return int(min(own[1], later[0] + delay_s) if later[0] else own[1])

    async def present(self) -> int:
        """The epoch that is in force."""
        (epoch,) = await self._own("presentEpoch")
        return int(epoch)

    async def standing(self, epoch: int) -> tuple[bool, bool]:
        """Whether the report of an epoch was posted, and whether its funds were rolled over: then no report is taken."""
        root, _, rolled = await self._own("reportOf", epoch)
        return any(root), bool(rolled)

    async def pots(self, epoch: int) -> Mapping[bytes, int]:
        """What an epoch was funded with, by asset; it stays so once the epoch has ended."""
        (assets,) = await self._own("allAssets")
        pots = await asyncio.gather(*(self._own("potOf", epoch, asset) for asset in assets))
        return {a: funded for a, (funded, _) in zip(_raw(assets), pots, strict=True) if funded}

    async def stakes(self, frozen: FrozenEpoch) -> tuple[tuple[int, ...], ...]:
        """Stake of each member in each source, wei, at the block of which it was seen: endpoints must still have its state.

        A source that says more than grounds can is taken at the most they can: else it would keep a report from all others.
        """
        (sources,), (at,) = await asyncio.gather(self._own("allSources"), self._own("set"))
        operators = ["0x" + o.hex() for o in frozen.operators]
        captures = await asyncio.gather(*(self._call(at, _SET, "captureOf", frozen.epoch, o) for o in operators))
        times = BlockTimes(self._nodes)
        blocks = {s: (await times.last_before(s + 1, self._head)).number for (s,) in set(captures)}
        rows = [
            [self._call(s, _SOURCE, "stakeOf", o, block=blocks[capture_s]) for s in sources]
            for o, (capture_s,) in zip(operators, captures, strict=True)
        ]
        return tuple([tuple([min(stake, MOST_STAKE) for (stake,) in await asyncio.gather(*row)]) for row in rows])

    async def posted(self, epoch: int) -> PostedReport | None:
        """The report of an epoch; None while there is none."""
        root, posted_s, _ = await self._own("reportOf", epoch)
        if not any(root):
            return None
        times = BlockTimes(self._nodes)
        first = await times.first_at(posted_s, self._head)
        if first is None:
            raise ChainError(
                f"no block is of {posted_s}, when the report of epoch {epoch} was posted: an endpoint lies"
            )
        last = await times.last_before(posted_s + 1, self._head)
        wanted = {
            "address": self._contract,
            "topics": ["0x" + event_topic(NAME, "Posted").hex(), "0x" + epoch.to_bytes(32, "big").hex()],
            "fromBlock": hex(first.number),
            "toBlock": hex(min(last.number, first.number + _MOST_BLOCKS)),
        }
        (log,) = await self._nodes.agreed_value("eth_getLogs", wanted, read=_read_logs)
        said, absent, grounds, _ = log
        if said != root:
            raise ChainError(f"the report of epoch {epoch} is another one in the contract's log than in its storage")
        return PostedReport(root=root, posted_s=posted_s, absent=_raw(absent), grounds=grounds)

    async def _own(self, function: str, *args: Any) -> tuple[Any, ...]:
        return await self._call(self._contract, NAME, function, *args)

    async def _call(
        self, to: str, contract: str, function: str, *args: Any, block: int | None = None
    ) -> tuple[Any, ...]:
        data, outputs = call_of(contract, function, args)
        at = hex(self._head.number if block is None else block)
        raw: Any = await self._nodes.agreed_value("eth_call", {"to": to, "data": "0x" + data.hex()}, at)
        try:
            return tuple(decode(outputs, bytes.fromhex(str(raw)[2:])))
        except (DecodingError, ValueError):
            raise ChainError(f"{function} of {to} answers {str(raw)[:40]!r}: it is no {contract}") from None


def post_call(frozen: FrozenEpoch, report: EpochRewards, signed: Mapping[bytes, bytes]) -> bytes:
    """Calldata of ``Rewards.post``. ``signed``: r | vs by report key, of weight T."""
    said = report.word
    absent = ["0x" + a.hex() for a in said.absent]
    signatures = packed_signatures(frozen.signers, signed)
    return call_of(NAME, "post", (said.epoch, said.root, absent, report.grounds.raw, signatures))[0]


def _raw(addresses: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(a[2:]) for a in addresses)


def _read_logs(answer: Any) -> tuple[tuple[Any, ...], ...]:
    """The one log of a report, decoded; ValueError where it is not there."""
    (log,) = answer
    return (tuple(decode(["bytes32", "address[]", "bytes", "uint256"], bytes.fromhex(str(log["data"])[2:]))),)
