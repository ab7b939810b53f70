"""What the check reads of each deployed store: its roles, signers and limits at one block, and the stake behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from feeds.errors import FeedError
from oracle.chain.next_signers import read_set
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.rpc_answers import BlockHead
from oracle.chain.store_client import StoreClient
from oracle.chain.store_reads import NEVER_EXPIRES
from oracle.check.corruption_cost import WeighedSigner
from oracle.check.privileges import document
from oracle.check.store_facts import MoveLimits, SignerGroup, StoreFacts
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import TargetSection
from oracle.sign.eip712 import Domain
from oracle.stake.discover import NotStaked, discover
from oracle.stake.reads import StakeReads
from oracle.stake.secured.price import PriceSecurity, price_security

_CLASS_SHIFT = 13
_NO_CODE = ("0x", "0x0", "")
_ROLES = ("owner", "pendingOwner", "guardian", "setOwner")


async def trust_documents(resolved: ResolvedConfig) -> list[dict[str, Any]]:
    """The trust document of every target's store.

    A store that cannot be read is a row with ``error``; that there is no store, or that its chain does not answer, is among the
    problems of the target. What decides by stake is found from the store's owner; what of it cannot be read is unknown.
    """
    targets = resolved.config.targets.items()
    return list(await asyncio.gather(*(_trust_document(resolved, name, target) for name, target in targets)))


async def _trust_document(resolved: ResolvedConfig, name: str, target: TargetSection) -> dict[str, Any]:
    chain = resolved.config.chains[target.chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
    try:
        reader = StoreReader(client, (await client.head()).number)
        return document(await reader.facts(name, target))
    except (ChainError, FeedError, aiohttp.ClientError, OSError, UnicodeDecodeError) as e:
        return {"target": name, "chain": target.chain, "store": target.store, "error": str(e)}
    finally:
        await client.close()


class StoreReader:
    """One store, read at one block.

    Args:
        client: of the store.
        block: at which everything is read.
    """

    def __init__(self, client: StoreClient, block: int) -> None:
        self._client, self._block = client, block
        self._at = hex(block)

    async def facts(self, name: str, target: TargetSection) -> StoreFacts:
        """Everything that the store and what owns it say; ChainError if it is not a store."""
        store = self._client.domain.store
        time_s = await self._time_s()
        stake = await self._stake(time_s)
        epoch, threshold, signers, weights = await self._client.read("signerSet", block=self._at)
        strong = int((await self._client.read("thresholds", block=self._at))[1])
        members = tuple(_signer(_raw(s), int(w), stake) for s, w in zip(signers, weights, strict=True))
        expires_s = await self._number("expiresAt")
        owner, pending, guardian, set_owner = [await self._who(r) for r in _ROLES]
        feeds = await self._feeds()
        coming, at_s = await self._client.read("nextSigners", block=self._at)
        has_next = coming > epoch
        code: Any = await self._client.nodes.agreed_value("eth_getCode", "0x" + owner.hex(), self._at)
        return StoreFacts(
            target=name,
            chain=target.chain,
            chain_id=self._client.domain.chain_id,
            store=store,
            block=self._block,
            time_s=time_s,
            owner=owner,
            owner_is_key=code in _NO_CODE,
            pending_owner=pending if any(pending) else None,
            guardian=guardian if any(guardian) else None,
            max_push_age_s=await self._number("maxPushAgeS"),
            rotation_delay_s=await self._number("rotationDelayS"),
            overlap_s=await self._number("overlapS"),
            longest_epoch_s=await self._number("longestEpochS"),
            overlap_ends_s=await self._number("overlapEnds") if epoch > 1 else 0,
            group=SignerGroup(
                epoch=epoch,
                threshold=threshold,
                strong=strong,
                members=members,
                expires_s=None if expires_s == NEVER_EXPIRES else expires_s,
            ),
            next_epoch=(int(coming), int(at_s)) if has_next else None,
            next_group=await self._next(int(coming), int(at_s)) if has_next else None,
            armed=bool(await self._number("armed")),
            set_owner=set_owner if any(set_owner) else None,
            classes=await self._classes(feeds),
            paused=await self._paused(feeds),
            stake=stake,
        )

    # --- the store -----------------------------------------------------------------------------------------------

    async def _number(self, function: str) -> int:
        return int((await self._client.read(function, block=self._at))[0])

    async def _who(self, function: str) -> bytes:
        return _raw((await self._client.read(function, block=self._at))[0])

    async def _time_s(self) -> int:
        body = await self._client.nodes.agreed_value("eth_getBlockByNumber", self._at, False, read=_time_of)  # noqa: FBT003
        return int(body)

    async def _feeds(self) -> dict[str, int]:
        """Feed id text to index, as registered at this block."""
        (count,) = await self._client.read("count", block=self._at)
        registered = await asyncio.gather(*(self._client.read("feedAt", i, block=self._at) for i in range(count)))
        return {bytes(raw).rstrip(b"\0").decode(): int(index) for raw, index in registered}

    async def _classes(self, feeds: Mapping[str, int]) -> tuple[MoveLimits, ...]:
        """Limits of the classes that have feeds; of the first one in any case."""
        classes = []
        for number in sorted({0} | {i >> _CLASS_SHIFT for i in feeds.values()}):
            ((gap_s, step_bps, wait_s),) = await self._client.read("limitsOf", number << _CLASS_SHIFT, block=self._at)
            own = tuple(f for f, i in feeds.items() if i >> _CLASS_SHIFT == number)
            limits = MoveLimits(number=number, min_gap_s=gap_s, step_bps=step_bps, step_wait_s=wait_s, feeds=own)
            classes.append(limits)
        return tuple(classes)

    async def _paused(self, feeds: Mapping[str, int]) -> tuple[str, ...]:
        paused = await asyncio.gather(*(self._client.paused(i, self._block) for i in feeds.values()))
        return tuple(f for f, is_paused in zip(feeds, paused, strict=True) if is_paused)

    async def _next(self, epoch: int, at_s: int) -> SignerGroup | None:
        """Who is in the set to come; None where the store's storage does not tell."""
        next_set = await read_set(self._client, epoch, at_s, self._block)
        if next_set is None:
            return None
        signers = next_set.signers
        members = zip(signers.signers, signers.weights, strict=True)
        return SignerGroup(
            epoch=epoch,
            threshold=signers.threshold,
            strong=next_set.strong,
            members=tuple(WeighedSigner(address=a, weight=w) for a, w in members),
            from_s=at_s,
            expires_s=signers.expires_s,
        )

    # --- stake ---------------------------------------------------------------------------------------------------

    async def _stake(self, time_s: int) -> PriceSecurity | NotStaked | ChainError:
        """What secures its prices; where no stake does, or it cannot be read, that is the answer, and the rest is told all the same."""
        domain = self._client.domain
        reads = StakeReads(self._client.nodes, BlockHead(number=self._block, time_s=time_s))
        try:
            return await price_security(reads, await discover(reads, domain.chain_id, "0x" + domain.store.hex()))
        except (NotStaked, ChainError) as e:
            return e


def _signer(key: bytes, weight: int, stake: PriceSecurity | NotStaked | ChainError) -> WeighedSigner:
    """A signer, and what can be slashed of its operator; None where a source does not say."""
    if isinstance(stake, PriceSecurity):
        for one in stake.facts.members:
            if one.key == "0x" + key.hex():
                known = None not in one.slashable_wei.values()
                wei = stake.slashable.get(one.operator, 0) if known else None
                return WeighedSigner(address=key, weight=weight, operator=one.operator, slashable=wei)
    return WeighedSigner(address=key, weight=weight)


def _time_of(answer: Any) -> int:
    if isinstance(answer, FeedError):
        raise answer
    return int(str(answer["timestamp"]), 16)


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])
