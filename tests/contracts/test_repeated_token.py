"""A batch that holds a token twice: each write has its own events, and the second item may land what the first one held."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from oracle.sign.eip712 import batch_bytes
from tests.contracts.set_models import WAD
from tests.contracts.whole_set import BOTH, FIRST_SET, WholeSet, packed

STATUSES = (1, 2, 4)
MOVES_BPS = (0, 501, -501)
STRONG, WEAK = (0, 1, 2, 3, 4), (0, 1)


def pushed(world: WholeSet, items: bytes, who: Sequence[int]) -> None:
    batch = batch_bytes(FIRST_SET.epoch, world.evm.now, items)
    world.push(world.sign(batch, FIRST_SET, who))
    world.check()


def test_two_items_of_one_token_do_what_the_model_says_in_any_order() -> None:
    """Each push by few signers, who may leave a price waiting, then by many, whose second item lands it."""
    waits = set()
    for statuses in itertools.product(STATUSES, repeat=3):
        world = WholeSet()
        for moves in itertools.product(MOVES_BPS, repeat=3):
            prices = [WAD * (10_000 + bps) // 10_000 for bps in moves]
            first, *both = (packed(BOTH, (p, WAD), status=s) for p, s in zip(prices, statuses, strict=True))
            world.evm.jump(3)
            pushed(world, first, WEAK)
            world.evm.jump(1)
            pushed(world, b"".join(both), STRONG)
            waits.add(tuple(any(k and k.wait for k in token.kept) for _, token, wrote in world.model.met if wrote))
    assert (True, False) in waits
