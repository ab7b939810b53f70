"""Five operators with stake in the real contracts on a local chain, a keeper for each, and blocks that come when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import coincurve

from demo.world import npm, staking
from demo.world.chain import LocalChain, account
from oracle.agree.wire import BesideWord, decode, encode
from oracle.chain.call_client import CallClient
from oracle.keep.keeper import Keeper, KeeperRules
from oracle.keep.keeper_turns import KeeperTurns
from oracle.model.publication import PushRow, PushState
from oracle.sign.eip712 import Domain, address_of, batch_bytes, sign_compact
from oracle.sign.keyfiles import LocalSigner
from oracle.storage.database import Database
from tests.contracts.contract_tools import Item
from tests.contracts.evm_process import word_digest, word_evidence

ETHER, BLOCK_S, STAGE_S = 10**18, 12, 36
OWNER, FUNDER = account(0), account(1)
OPERATORS = tuple(account(i) for i in (2, 3, 4, 5, 6))
REPORT_KEYS = tuple(coincurve.PrivateKey(bytes([n]) * 32) for n in range(31, 36))
GAS_KEYS = tuple(coincurve.PrivateKey(bytes([n]) * 32) for n in range(41, 48))
JOIN_S = 2 * 3_600
"""From joining to the first freeze that counts an operator."""


@dataclass
class Hub:
    """Stands in for the mesh: words go to all others as bytes, and come back as the sender's."""

    heard: dict[bytes, Callable[[bytes, int, BesideWord], None]] = field(default_factory=dict)
    told: int = 0

    def peers(self, me: bytes) -> HubPeers:
        return HubPeers(self, me)


@dataclass
class HubPeers:
    """One operator's side of it."""

    hub: Hub
    me: bytes

    def tell(self, round_time_s: int, word: BesideWord) -> None:
        self.hub.told += 1
        said = decode(encode(bytes(32), round_time_s, word)).word
        for other, hear in self.hub.heard.items():
            if other != self.me:
                hear(self.me, round_time_s, said)  # type: ignore[arg-type]

    def listen(self, heard: Callable[[bytes, int, BesideWord], None]) -> None:
        self.hub.heard[self.me] = heard


async def deploy(chain: LocalChain, url: str) -> staking.StakingWorld:
    """The contracts, and five operators in them with 20 tokens each."""
    diva = await chain.create(OWNER, npm.own("DivETH"))
    token = await chain.create(OWNER, npm.own("WdivETH"), diva.address)
    made = await staking.deploy_staking(chain, url, OWNER, token, REPORT_KEYS[:3], ["wdivETH/ETH"])
    for who, key in zip(OPERATORS, REPORT_KEYS, strict=True):
        await chain.pay(who, token.address, 40 * ETHER)
        await chain.settle()
        await staking.enter(chain, made, who, key, 20 * ETHER)
    for key in GAS_KEYS:
        await chain.rpc("anvil_setBalance", "0x" + address_of(key).hex(), hex(10**20))
    return made


class KeeperWorld:
    """The chain with its keepers.

    Attributes:
        now_s: of the newest block; the keepers' clock.
        keepers: by number of the operator; a number beyond them is a process without one.
    """

    def __init__(self, url: str, chain: LocalChain, contracts: staking.StakingWorld, now_s: int) -> None:
        self.url, self.chain, self.now_s = url, chain, now_s
        anew = {f.name: getattr(contracts, f.name) for f in fields(contracts)}
        self.contracts = staking.StakingWorld(**{n: chain.contract(c.abi, c.address) for n, c in anew.items()})
        self.hub = Hub()
        self.keepers: dict[int, Keeper] = {}
        self._made: list[Keeper] = []
        self.journals: dict[int, Database] = {}

    @property
    def domain(self) -> Domain:
        return Domain(chain_id=31_337, store=bytes.fromhex(self.contracts.store.address[2:]))

    def now_ms(self) -> int:
        return self.now_s * 1_000

    def keeper(self, number: int, *, with_key: bool = True, listen_s: int = 0, **rules: Any) -> Keeper:
        """A keeper of an operator, in the place of the one that it had."""
        signer = LocalSigner(GAS_KEYS[number]) if with_key else None
        client = CallClient((self.url,), self.domain, signer, max_fee_gwei=500)
        me = address_of(REPORT_KEYS[number]) if number < len(REPORT_KEYS) else None
        turns = KeeperTurns(
            me, self.hub.peers(me) if me else None, stage_s=STAGE_S, listen_s=listen_s, now_ms=self.now_ms
        )
        self.journals[number] = self.journals.get(number) or Database(":memory:")
        made = Keeper(
            "home", client, self.journals[number], KeeperRules(**rules), turns, now_ms=self.now_ms, bump_after_s=24,
            confirmations=2,
        )  # fmt: skip
        self.keepers[number] = made
        self._made.append(made)
        return made

    def all_keep(self, numbers: Sequence[int] = range(5), **rules: Any) -> None:
        for number in numbers:
            self.keeper(number, **rules)

    async def close(self) -> None:
        for keeper in self._made:
            await keeper.close()

    # --- time ------------------------------------------------------------------------------------------------------------

    async def block(self, seconds: int = BLOCK_S) -> None:
        """One block, with all that waits."""
        await self.chain.rpc("evm_setNextBlockTimestamp", self.now_s + seconds)
        await self.chain.rpc("evm_mine")
        self.now_s = await self.chain.block_time_s()

    async def turns(self, blocks: int = 1) -> None:
        """Each keeper looks, then a block comes."""
        for _ in range(blocks):
            for keeper in list(self.keepers.values()):
                await keeper.look()
            await self.block()

    async def until(self, done: Callable[[], bool], most: int = 40) -> int:
        """Blocks until something holds."""
        for count in range(most):
            if done():
                return count
            await self.turns()
        raise AssertionError([d.name for k in self.keepers.values() for d in k.due.duties])

    async def to(self, at_s: int) -> None:
        """The first block at or after a time."""
        await self.block(max(BLOCK_S, at_s - self.now_s))

    # --- what happens ----------------------------------------------------------------------------------------------------

    async def read(self, contract: str, function: str, *args: Any) -> Any:
        return await self.chain.call(getattr(self.contracts, contract), function, *args)

    async def send(self, sender: Any, contract: str, function: str, *args: Any) -> None:
        """Somebody's transaction, in a block of its own."""
        await self.chain.send(sender, getattr(self.contracts, contract), function, *args, gas=12_000_000)
        await self.block()
        await self.chain.settle()

    async def rotate_due(self) -> None:
        """Stakes can be frozen, and all operators have been candidates for long enough."""
        await self.to(await self.read("set", "nextRotateAt") or self.now_s + JOIN_S)

    async def arm(self) -> int:
        """The members of the next set arm it, and its time comes."""
        epoch, active_at = await self.read("store", "nextSigners")
        members, _, _ = await self.read("set", "membersOf", epoch)
        digest = await self.read("store", "armDigest")
        by_key = {"0x" + address_of(k).hex(): k for k in REPORT_KEYS}
        signed = b"".join(bytes([i]) + sign_compact(by_key[m.lower()], digest) for i, m in enumerate(members))
        await self.send(FUNDER, "store", "arm", signed)
        await self.to(active_at)
        return int(epoch)

    async def by_stake(self) -> None:
        """A set by stake is in force, of all five."""
        await self.rotate_due()
        await self.send(FUNDER, "set", "rotate")
        await self.arm()

    async def prove(self, number: int, epoch: int, round_s: int = 1_000) -> bytes:
        """An operator has said two things; its case."""
        words = []
        for market in (ETHER, ETHER + 1):
            batch = batch_bytes(epoch, round_s, Item(0, market=market).packed())
            words.append(word_evidence(0, batch, sign_compact(REPORT_KEYS[number], word_digest(self.domain, 0, batch))))
        await self.send(FUNDER, "penalties", "prove", *words, 0)
        return bytes(await self.read("penalties", "caseIn", OPERATORS[number].address, epoch))

    # --- what was done ----------------------------------------------------------------------------------------------------

    def calls(self, kind: str = "", states: Sequence[PushState] = ()) -> list[tuple[int, PushRow]]:
        """Calls of all keepers for duties of a kind, with the number of the keeper."""
        rows = [(n, r) for n, j in self.journals.items() for r in j.pushes("keeper home", states)]
        return [(n, r) for n, r in rows if r.why.startswith(kind)]

    def done(self, kind: str) -> list[tuple[int, PushRow]]:
        return self.calls(kind, (PushState.CALLED,))

    def due(self, kind: str = "") -> set[str]:
        return {d.name for k in self.keepers.values() for d in k.due.duties if d.name.startswith(kind)}
