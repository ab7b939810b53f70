"""What the check reads of each deployed store: its roles, signers and limits at one block, and the bonds behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

import contracts
from feeds.chains.abi import checksummed
from feeds.errors import FeedError
from oracle.chain.next_signers import read_set
from oracle.chain.quorum_rpc import ChainError
from oracle.chain.store_abi import abi_type, selector
from oracle.chain.store_client import StoreClient
from oracle.chain.store_reads import NEVER_EXPIRES
from oracle.check.corruption_cost import BondedSigner
from oracle.check.privileges import document
from oracle.check.store_facts import Bonding, MoveLimits, SignerGroup, StoreFacts
from oracle.config.resolve import ResolvedConfig
from oracle.config.tables.forms import raw_address
from oracle.config.tables.operator_sections import TargetSection
from oracle.config.tables.schema import Problem
from oracle.sign.eip712 import Domain

_CLASS_SHIFT = 13
_NO_CODE = ("0x", "0x0", "")
_LONGEST_NAME = 42
_MOST_DECIMALS = 77
_ROLES = ("owner", "pendingOwner", "guardian", "setOwner")
_PARTIES = ("curator", "arbiter", "treasury", "slasher")


async def trust_documents(resolved: ResolvedConfig) -> tuple[list[dict[str, Any]], list[Problem]]:
    """The trust document of every target's store, and what contradicts the config.

    A store that cannot be read is a row with ``error``; that there is no store, or that its chain does not
    answer, is among the problems of the target. A registry that is not one contradicts the config, and bonds are unknown.
    """
    rows = await asyncio.gather(
        *(_trust_document(resolved, name, target) for name, target in resolved.config.targets.items())
    )
    return [row for row, _ in rows], [p for _, problems in rows for p in problems]


async def _trust_document(
    resolved: ResolvedConfig, name: str, target: TargetSection
) -> tuple[dict[str, Any], list[Problem]]:
    chain = resolved.config.chains[target.chain]
    domain = Domain(chain_id=chain.chain_id, store=raw_address(target.store))
    client = StoreClient(chain.endpoints, domain, None, max_fee_gwei=0)
    try:
        reader = StoreReader(client, (await client.head()).number)
        facts, problems = await reader.facts(name, target)
        return document(facts), problems
    except (ChainError, FeedError, aiohttp.ClientError, OSError, UnicodeDecodeError) as e:
        return {"target": name, "chain": target.chain, "store": target.store, "error": str(e)}, []
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

    async def facts(self, name: str, target: TargetSection) -> tuple[StoreFacts, list[Problem]]:
        """Everything that the store and its registry say; ChainError if it is not a store."""
        store = self._client.domain.store
        bonding, problems = await self._bonding(name, None)
        epoch, threshold, signers, weights = await self._client.read("signerSet", block=self._at)
        strong = int((await self._client.read("thresholds", block=self._at))[1])
        bonds = await self._bonds(bonding, [_raw(s) for s in signers])
        members = tuple(
            BondedSigner(address=_raw(s), weight=int(w), bond=b)
            for s, w, b in zip(signers, weights, bonds, strict=True)
        )
        expires_s = await self._number("expiresAt")
        owner, pending, guardian, set_owner = [await self._who(r) for r in _ROLES]
        feeds = await self._feeds()
        coming, at_s = await self._client.read("nextSigners", block=self._at)
        has_next = coming > epoch
        code: Any = await self._client.nodes.agreed_value("eth_getCode", "0x" + owner.hex(), self._at)
        facts = StoreFacts(
            target=name,
            chain=target.chain,
            chain_id=self._client.domain.chain_id,
            store=store,
            block=self._block,
            time_s=await self._time_s(),
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
            bonding=bonding,
        )
        return facts, problems

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
            members=tuple(BondedSigner(address=a, weight=w) for a, w in members),
            from_s=at_s,
            expires_s=signers.expires_s,
        )

    # --- the registry --------------------------------------------------------------------------------------------

    async def _bonding(self, name: str, text: str | None) -> tuple[Bonding | None, list[Problem]]:
        """The registry that the config names for the store; none if it is over another one."""
        if text is None:
            return None, []
        where, key = raw_address(text), f"targets.{name}.registry"
        if await self._client.nodes.agreed_value("eth_getCode", "0x" + where.hex(), self._at) in _NO_CODE:
            return None, [
                Problem(key, f"no contract at {checksummed(where)}: deploy the registry first, or correct it")
            ]
        try:
            (store,), (chain_id,) = [await self._ask(where, f) for f in ("store", "chainId")]
            answers = [(await self._ask(where, f))[0] for f in (*_PARTIES, "token", "unbondingS", "disputeS")]
        except ChainError as e:
            return None, [Problem(key, f"{checksummed(where)} is not an OperatorRegistry, or does not answer: {e}")]
        domain = self._client.domain
        if (_raw(store), chain_id) != (domain.store, domain.chain_id):
            text = f"{text} belongs to store {checksummed(_raw(store))} on chain {chain_id}: its bonds back that one"
            return None, [Problem(key, text)]
        *parties, token, unbonding_s, dispute_s = answers
        return Bonding(
            address=where,
            parties={role: _party(party) for role, party in zip(_PARTIES, parties, strict=True)},
            unbonding_s=unbonding_s,
            dispute_s=dispute_s,
            unit=printable(await self._token_fact(_raw(token), "symbol()", "string", checksummed(_raw(token)))),
            decimals=min(_MOST_DECIMALS, int(await self._token_fact(_raw(token), "decimals()", "uint8", 0))),
        ), []

    async def _bonds(self, bonding: Bonding | None, signers: Sequence[bytes]) -> list[int | None]:
        """What each signer has at stake, with what it has asked back and not taken; None without a registry."""
        if bonding is None:
            return [None] * len(signers)
        operators = await asyncio.gather(*(self._ask(bonding.address, "operators", "0x" + s.hex()) for s in signers))
        return [0 if slashed else int(shares) for _, shares, _, _, slashed in operators]

    async def _ask(self, where: bytes, function: str, *args: Any) -> tuple[Any, ...]:
        """Values of a view function of the registry."""
        inputs, outputs = next(_types(function))
        data = selector(function, inputs) + encode(inputs, args)
        try:
            return tuple(decode(outputs, await self._call(where, data)))
        except (DecodingError, ValueError):
            raise ChainError(f"{function} of {checksummed(where)} does not answer as an OperatorRegistry") from None

    async def _token_fact(self, where: bytes, signature: str, kind: str, otherwise: Any) -> Any:
        """What a token states of itself, for people; ``otherwise`` where it states nothing."""
        try:
            name = signature.partition("(")[0]
            return decode([kind], await self._call(where, selector(name, ())))[0]
        except (ChainError, DecodingError, ValueError):
            return otherwise

    async def _call(self, where: bytes, data: bytes) -> bytes:
        call = {"to": "0x" + where.hex(), "data": "0x" + data.hex()}
        return bytes.fromhex(str(await self._client.nodes.agreed_value("eth_call", call, self._at))[2:])


def _types(function: str) -> Iterator[tuple[list[str], list[str]]]:
    for entry in contracts.load("OperatorRegistry").abi:
        if entry["type"] == "function" and entry["name"] == function:
            yield [abi_type(i) for i in entry["inputs"]], [abi_type(i) for i in entry["outputs"]]


def _time_of(answer: Any) -> int:
    if isinstance(answer, FeedError):
        raise answer
    return int(str(answer["timestamp"]), 16)


def _party(text: str) -> bytes | None:
    return _raw(text) if any(_raw(text)) else None


def printable(text: str) -> str:
    """A token's own name as it can be printed: a contract writes no line and no colour of ours."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:_LONGEST_NAME])


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])
