"""How many blocks pass from an operator's second word to its proof: over the real set, book and penalties, for each way to sign twice."""

from __future__ import annotations

from collections.abc import Callable

import coincurve
import pytest
from eth_utils.address import to_checksum_address

from demo.world.chain import account
from oracle.sign.eip712 import address_of, sign_compact
from oracle.sign.key_consent import KeyConsent
from oracle.sign.keyfiles import LocalSigner
from oracle.watch.evidence import EvidenceState
from oracle.watch.proof_contract import ProofContract
from oracle.watch.prover import WITHIN_BLOCKS, Prover
from oracle.watch.watcher import Watcher
from oracle.watch.words import SignedWord, WordKind
from tests.oracle.keep.keeper_world import OPERATORS, REPORT_KEYS, KeeperWorld
from tests.oracle.watch.watch_world import A, B, memory_rows

pytestmark = pytest.mark.chain
NEW_KEY = coincurve.PrivateKey(bytes([77]) * 32)
BATCH, SEALED = WordKind.BATCH, WordKind.SEALED


def word(world: KeeperWorld, key: coincurve.PrivateKey, epoch: int, items: bytes, kind: WordKind) -> SignedWord:
    round_s = 1_700_000_000

    def made(signature: bytes) -> SignedWord:
        return SignedWord(
            key=address_of(key), domain=world.domain, kind=kind, step=0, epoch=epoch, round_time_s=round_s, items=items,
            signature=signature,
        )  # fmt: skip

    return made(sign_compact(key, made(b"").digest))


async def new_key(world: KeeperWorld) -> None:
    """The first operator's key is replaced in the book; the next freeze takes the new one."""
    me = OPERATORS[0].address
    nonce = await world.read("book", "nonceOf", me)
    said = KeyConsent(
        chain_id=31_337, book=bytes.fromhex(world.contracts.book.address[2:]), operator=bytes.fromhex(me[2:]), nonce=nonce,
        expiry_s=world.now_s + 3_600,
    )  # fmt: skip
    compact = sign_compact(NEW_KEY, said.digest())
    address = "0x" + address_of(NEW_KEY).hex()
    consent = (to_checksum_address(address), nonce, said.expiry_s, compact[:32], compact[32:])
    await world.send(OPERATORS[0], "book", "setKey", consent)


Lie = Callable[[KeeperWorld], tuple[SignedWord, SignedWord]]
LIES: dict[str, Lie] = {
    "a restored backup": lambda w: (word(w, REPORT_KEYS[0], 2, A, SEALED), word(w, REPORT_KEYS[0], 2, B, BATCH)),
    "two epochs": lambda w: (word(w, REPORT_KEYS[0], 2, A, BATCH), word(w, REPORT_KEYS[0], 3, B, BATCH)),
    "a rotated key": lambda w: (word(w, REPORT_KEYS[0], 2, A, SEALED), word(w, NEW_KEY, 3, B, SEALED)),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_proven_within_the_stated_blocks_of_its_second_word(world: KeeperWorld, lie: str) -> None:
    await world.by_stake()
    if lie == "a rotated key":
        await new_key(world)
    if lie != "a restored backup":
        await world.rotate_due()
        await world.send(OPERATORS[1], "set", "rotate")
        await world.block(3_600)  # frozen: the words of its epoch count from now on
    penalties = bytes.fromhex(world.contracts.penalties.address[2:])
    payer = LocalSigner(coincurve.PrivateKey(bytes(account(9).key)))
    contract = ProofContract((world.url,), 31_337, penalties, payer, max_fee_gwei=500)
    watcher = Watcher(memory_rows(), world.now_ms)
    prover = Prover(contract, watcher.rows)
    first, second = LIES[lie](world)
    try:
        watcher.hear(first)
        for _ in range(4):
            watcher.learn(await prover.operators(watcher.keys))
            await prover.tick()
            await world.block()
        assert watcher.rows.evidence() == []
        stake = (await world.read("source", "poolOf", OPERATORS[0].address))[11]
        watcher.hear(second)
        appeared = int(await world.chain.rpc("eth_blockNumber"), 16)
        for _ in range(WITHIN_BLOCKS + 1):
            watcher.learn(await prover.operators(watcher.keys))
            await prover.tick()
            await world.block()
        (kept,) = watcher.rows.evidence()
        assert (kept.state, kept.note) == (EvidenceState.PROVEN, "")
        assert kept.landed_block is not None
        assert kept.landed_block - appeared == 1, "the next block has it, where its fees are those of the chain"
        assert (await world.read("source", "poolOf", OPERATORS[0].address))[11] > stake == 0
    finally:
        await contract.close()
