"""What an epoch of the story pays: its report by oracle/rewards, from the set as it was frozen and the sources' stake of then."""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from oracle.rewards.frozen import FrozenEpoch
from oracle.rewards.grounds import make_grounds
from oracle.rewards.report import ETHER as ETHER_ASSET
from oracle.rewards.report import EpochRewards, epoch_rewards
from oracle.sign.eip712 import sign_compact
from oracle.sign.epoch_words import EpochAttendance, SignedAttendance
from tests.contracts.stake.story_world import ETHER, PAYER, StoryWorld

ROUNDS = 10


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


class EpochPay:
    """Funds and report of one epoch."""

    def __init__(self, world: StoryWorld, epoch: int) -> None:
        self.world, self.epoch = world, epoch

    def fund(self, token: str, amount: int) -> None:
        value = amount if token == ETHER else 0
        if not value:
            self.world.ok(token, "approve", self.world.rewards, amount, by=PAYER)
        label = f"`fund`, in {'ether' if value else 'wdivETH'}"
        self.world.step(label, self.world.rewards, "fund", self.epoch, token, amount, by=PAYER, value=value)

    def frozen(self) -> FrozenEpoch:
        """As the set has it."""
        keys, operators, weights = self.world.members(self.epoch)
        capture, _, threshold, _ = self.world.frozen(self.epoch)
        return FrozenEpoch(
            domain=self.world.domain,
            epoch=self.epoch,
            keys=tuple(map(raw, keys)),
            operators=tuple(map(raw, operators)),
            weights=tuple(weights),
            threshold=threshold,
            capture_s=capture,
        )

    def report(self) -> EpochRewards:
        """All say that all were there."""
        frozen, world = self.frozen(), self.world
        keys, operators, _ = world.members(self.epoch)
        said = EpochAttendance(
            domain=frozen.domain, epoch=self.epoch, rounds=ROUNDS, counts=tuple(ROUNDS for _ in operators)
        )
        words = {
            raw(k): SignedAttendance(
                said=said, address=raw(k), signature=sign_compact(world.keys[k], keccak(said.preimage()))
            )
            for k in keys
        }
        stakes = [world.at_freeze[self.epoch][o] for o in operators]
        pots = {
            asset: int(world.ask(world.rewards, "potOf", self.epoch, token)[0])
            for token, asset in ((ETHER, ETHER_ASSET), (world.token, raw(world.token)))
        }
        return epoch_rewards(make_grounds(frozen, stakes, words), {a: n for a, n in pots.items() if n})

    def post(self, report: EpochRewards, keys: Sequence[str]) -> str:
        """With these members' signatures; the error."""
        said, world = report.word, self.world
        signed = world.signed(self.epoch, keccak(said.preimage()), keys)
        absent = ["0x" + a.hex() for a in said.absent]
        args = (self.epoch, said.root, absent, report.grounds.raw, signed)
        error: str = world.evm.call(world.rewards, "post", *args)[0] if world.figures is None else ""
        if world.figures is not None:
            world.step("`post`", world.rewards, "post", *args)
        return error

    def claim(self, report: EpochRewards, operator: str, source: int, token: str) -> int:
        """Have the source paid for an operator; how much."""
        (leaf,) = (x for x in report.leaves if (x.operator, x.source, x.asset) == (raw(operator), source, raw(token)))
        proof = list(report.tree.proof(leaf.hash))
        args = (leaf.epoch, operator, leaf.source, token, leaf.amount, proof)
        label = f"`claim`, in {'ether' if token == ETHER else 'wdivETH'}"
        self.world.step(label, self.world.rewards, "claim", *args)
        return leaf.amount
