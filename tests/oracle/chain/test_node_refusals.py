"""What nodes say of a transaction, row by row: whole messages of theirs, and what the pusher does about each."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.chains.jsonrpc import JsonRpc
from feeds.errors import FeedError, Malformed, RateLimited, Refused, Reverted, TimedOut, Unreachable
from oracle.chain.node_refusals import ACTS, TABLE, Act, Sent, meaning_of
from oracle.chain.quorum_rpc import Node, NodeRefused
from oracle.chain.rpc_answers import read_sent

DOCS = (Path(__file__).parent.parent.parent.parent / "docs" / "push.md").read_text(encoding="utf-8")
HASH = "0x" + "1a" * 32
KEY = "0x90f79bf6eb2c4f870365e785982e1f101e93b906"
SAID = [
    (Sent.TAKEN, "geth, bor, op-geth", "already known"),
    (Sent.TAKEN, "erigon", "ALREADY_EXISTS: already known"),
    (Sent.TAKEN, "erigon", "INTERNAL_ERROR: existing txn with same hash"),
    (Sent.TAKEN, "besu", "Known transaction"),
    (Sent.TAKEN, "nethermind, before 2026", "AlreadyKnown"),
    (Sent.TAKEN, "zksync-os", "[0x2f]: already imported"),
    (Sent.TAKEN, "zksync-era", "known transaction. transaction with hash 0x2f is already in the system"),
    (Sent.NONCE_USED, "geth, bor, op-geth", f"nonce too low: next nonce 5, tx nonce 4, address {KEY}"),
    (Sent.NONCE_USED, "reth", "nonce too low: next nonce 5, tx nonce 4"),
    (Sent.NONCE_USED, "besu", "Nonce too low"),
    (Sent.NONCE_USED, "nethermind, before 2026", "OldNonce, Current nonce: 5, nonce of rejected tx: 4"),
    (Sent.NONCE_USED, "zksync-era", "nonce too low. allowed nonce range: 5 - 105, actual: 4"),
    (Sent.NONCE_USED, "arbitrum", f"nonce too low: address {KEY}, tx: 4 state: 5"),
    (Sent.BELOW_BASE_FEE, "arbitrum, zksync-os, avalanche",
     f"max fee per gas less than block base fee: address {KEY}, maxFeePerGas: 100000000, baseFee: 293352000"),
    (Sent.BELOW_BASE_FEE, "arbitrum", f"err: max fee per gas less than block base fee: address {KEY}, maxFeePerGas: 1 baseFee: 2"),
    (Sent.BELOW_BASE_FEE, "reth, zksync-era", "max fee per gas less than block base fee"),
    (Sent.BELOW_BASE_FEE, "besu", "Gas price below current base fee"),
    (Sent.BELOW_BASE_FEE, "nethermind, before 2026",
     "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2, MaxPriorityFeePerGas:1, Block number: 3"),
    (Sent.REPLACEMENT, "geth, bor, op-geth, reth", "replacement transaction underpriced"),
    (Sent.UNDERPRICED, "geth, before 2025", "transaction underpriced: gas tip cap 1, minimum needed 25000000000"),
    (Sent.UNDERPRICED, "geth, bor", "transaction gas price below minimum: gas tip cap 1, minimum needed 25000000000"),
    (Sent.REPLACEMENT, "besu", "Replacement transaction underpriced"),
    (Sent.UNDERPRICED, "besu", "Gas price below configured minimum gas price"),
    (Sent.REPLACEMENT, "nethermind", "replacement transaction underpriced"),
    (Sent.REPLACEMENT, "nethermind, before 2026", "ReplacementNotAllowed"),
    (Sent.UNDERPRICED, "nethermind, before 2026", "FeeTooLowToCompete"),
    (Sent.UNDERPRICED, "erigon", "FEE_TOO_LOW: underpriced"),
    (Sent.UNDERPRICED, "erigon", "FEE_TOO_LOW: fee too low"),
    (Sent.REPLACEMENT, "erigon", "INTERNAL_ERROR: could not replace existing tx"),
    (Sent.REPLACEMENT, "zksync-os", "[0x2f]: insufficient gas price to replace existing transaction"),
    (Sent.UNDERPRICED, "zksync-os", "[0x2f]: transaction feeCap 5 below chain minimum"),
    (Sent.UNDERPRICED, "reth", "transaction priority fee below minimum required priority fee 1000000"),
    (Sent.TOO_MUCH_GAS, "geth", "exceeds block gas limit"),
    (Sent.TOO_MUCH_GAS, "geth, bor", "transaction gas limit too high (cap: 16777216, tx: 21000000)"),
    (Sent.TOO_MUCH_GAS, "geth, erigon, reth", "gas required exceeds allowance (16777216)"),
    (Sent.TOO_MUCH_GAS, "besu", "Transaction gas limit exceeds block gas limit"),
    (Sent.TOO_MUCH_GAS, "nethermind", "gas limit reached, Gas limit: 30000000, gas limit of rejected tx: 40000000"),
    (Sent.TOO_MUCH_GAS, "erigon", "gas limit is too high"),
    (Sent.TOO_MUCH_GAS, "reth", "exceeds max transaction gas limit"),
    (Sent.TOO_MUCH_GAS, "zksync-os", "[0x2f]: transaction's gas limit 2 exceeds block's gas limit 1"),
    (Sent.TOO_MUCH_GAS, "zksync-era", "exceeds block gas limit"),
    (Sent.OVERSIZED, "geth, reth", "oversized data: transaction size 131089, limit 131072"),
    (Sent.OVERSIZED, "zksync-era", "oversized data. max: 1000000; actual: 1000001"),
    (Sent.OVERSIZED, "nethermind", "transaction too large"),
    (Sent.OVERSIZED, "erigon", "RLPTooLong"),
    (Sent.TOO_LITTLE_GAS, "geth, reth, op-geth", "intrinsic gas too low: gas 21000, minimum needed 21064"),
    (Sent.TOO_LITTLE_GAS, "geth", "insufficient gas for floor data gas cost: gas 21000, minimum needed 40000"),
    (Sent.TOO_LITTLE_GAS, "besu", "Intrinsic gas exceeds gas limit"),
    (Sent.TOO_LITTLE_GAS, "erigon", "IntrinsicGas"),
    (Sent.REVERTS, "arbitrum, zksync-era", "execution reverted: 0x1f2a2005"),
    (Sent.FEE_CAP, "geth, erigon, bor", "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)"),
    (Sent.FEE_CAP, "reth", "tx fee (1100000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)"),
    (Sent.FEE_CAP, "besu", "Transaction fee cap exceeded"),
    (Sent.NO_FUNDS, "geth, bor, op-geth", "insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5"),
    (Sent.NO_FUNDS, "reth", "insufficient funds for gas * price + value: have 1 want 2"),
    (Sent.NO_FUNDS, "besu", "Upfront cost exceeds account balance"),
    (Sent.NO_FUNDS, "nethermind, before 2026", "InsufficientFunds, Account balance: 0, cumulative cost: 5"),
    (Sent.NO_FUNDS, "erigon", "INTERNAL_ERROR: insufficient funds"),
    (Sent.NO_FUNDS, "zksync-era", "insufficient funds for gas + value. balance: 0, fee: 5, value: 0"),
    (Sent.NO_FUNDS, "anvil", "Insufficient funds for gas * price + value"),
    (Sent.WRONG_CHAIN, "geth, op-geth", "invalid sender: invalid chain id for signer: have 8141 want 1"),
    (Sent.WRONG_CHAIN, "nethermind", "transaction invalid, InvalidTxChainId: Expected 1, got 8141."),
    (Sent.WRONG_CHAIN, "besu", "Wrong chainId"),
    (Sent.WRONG_CHAIN, "reth", "invalid chain ID"),
    (Sent.TYPE_UNKNOWN, "geth, reth", "transaction type not supported"),
    (Sent.TYPE_UNKNOWN, "besu", "Invalid transaction type"),
    (Sent.TYPE_UNKNOWN, "nethermind", "unsupported transaction type"),
    (Sent.TYPE_UNKNOWN, "erigon", "fork supporting this transaction type is not activated yet"),
    (Sent.NONCE_GAP, "geth, arbitrum", f"nonce too high: address {KEY}, tx: 9 state: 5"),
    (Sent.NONCE_GAP, "nethermind, before 2026", "NonceGap, Future nonce. Expected nonce: 5"),
    (Sent.NONCE_GAP, "nethermind", "nonce too far in future"),
    (Sent.NONCE_GAP, "besu", "Transaction nonce is too distant from current sender nonce"),
    (Sent.POOL_FULL, "geth, reth, bor", "txpool is full"),
    (Sent.POOL_FULL, "geth", "account limit exceeded: pooled 64 txs"),
    (Sent.POOL_FULL, "geth, reth", "address already reserved"),
    (Sent.POOL_FULL, "geth", "in-flight transaction limit reached for delegated accounts"),
    (Sent.POOL_FULL, "erigon", "pending sub-pool is full"),
    (Sent.POOL_FULL, "zksync-os", "[0x2f]: transaction discarded outright due to pool size constraints"),
    (Sent.POOL_FULL, "arbitrum", "sequencer pending tx pool full, please try again"),
    (Sent.POOL_FULL, "zksync-era", "insertion of another transaction with the same nonce is in progress"),
    (Sent.NOT_READY, "nethermind", "node is syncing"),
    (Sent.NOT_READY, "besu", "Initial sync is still in progress"),
    (Sent.NOT_READY, "arbitrum", "please retry transaction: not main sequencer"),
    (Sent.NOT_READY, "arbitrum", "sequencer temporarily not available"),
    (Sent.NOT_READY, "cloudflare", "Cannot fulfill request"),
    (Sent.RATE_LIMITED, "infura", (-32005, "daily request count exceeded, request rate limited")),
    (Sent.RATE_LIMITED, "infura", (-32005, "project ID request rate exceeded")),
    (Sent.RATE_LIMITED, "alchemy",
     (429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, ignore this.")),
    (Sent.RATE_LIMITED, "alchemy", (-32000, "Monthly capacity limit exceeded. Visit the dashboard to upgrade your plan.")),
    (Sent.RATE_LIMITED, "quicknode", (-32007, "50/second request limit reached - reduce calls per second or upgrade")),
    (Sent.RATE_LIMITED, "cloudflare", (-32000, "rate limited")),
    (Sent.RATE_LIMITED, "chainstack", (-32005, "You've exceeded the RPS limit available on the current plan.")),
    (Sent.RATE_LIMITED, "1rpc", (-32001, "You've reached the usage limit for your current plan.")),
    (Sent.RATE_LIMITED, "therpc", (-32029, "slower, please")),
    (Sent.METHOD_MISSING, "geth, infura", (-32601, "the method eth_sendRawTransaction does not exist/is not available")),
    (Sent.METHOD_MISSING, "besu", (-32604, "Method not enabled")),
    (Sent.METHOD_MISSING, "reth, alchemy", (-32601, "Method not found")),
    (Sent.METHOD_MISSING, "arbitrum", "publishing transactions not supported by this endpoint"),
    (Sent.TIMED_OUT, "geth", "request timed out"),
    (Sent.TIMED_OUT, "arbitrum", "context deadline exceeded"),
    (Sent.TIMED_OUT, "besu", (-32603, "Timeout expired")),
    (Sent.TAKEN, "a gateway", "tx already in mempool"),
    (Sent.TAKEN, "a gateway", "Transaction already exists"),
    (Sent.NONCE_USED, "a gateway", "Transaction nonce is too low. Try incrementing the nonce."),
    (Sent.NONCE_USED, "a gateway", "NONCE_TOO_LOW"),
    (Sent.NONCE_USED, "a gateway", "minimum expected nonce is 5"),
    (Sent.NONCE_GAP, "geth", "gapped-nonce tx from delegated accounts"),
    (Sent.UNDERPRICED, "hedera", "Gas price '10' is below configured minimum gas price '71'"),
    (Sent.BELOW_BASE_FEE, "a gateway", "max fee per gas (1) lower than base fee (2)"),
    (Sent.BELOW_BASE_FEE, "a gateway", "fee cap less than block base fee"),
    (Sent.TOO_MUCH_GAS, "a gateway", "block gas limit exceeded"),
    (Sent.POOL_FULL, "a gateway", "mempool is full"),
    (Sent.METHOD_MISSING, "a gateway", "method eth_sendRawTransaction not allowed"),
    (Sent.UNKNOWN, "nobody", "the node is on fire"),
    (Sent.UNKNOWN, "nobody", "unknown transaction"),
    (Sent.UNKNOWN, "nobody", "denounced: preunderpriced"),
    (Sent.UNKNOWN, "cloudflare, alchemy", (-32603, "Internal error")),
]  # fmt: skip


async def answer_to(body: bytes, status: int = 200, kind: type[JsonRpc] = Node) -> object:
    """What the client makes of an endpoint's answer."""
    async with aiohttp.ClientSession() as session:
        client = kind("http://node.invalid", session=session, timeout_ms=1, max_body=1 << 20)
        try:
            return client._result(status, body)
        except FeedError as e:
            return e


def refusal(code: int, message: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})


@pytest.mark.parametrize(("sent", "who", "said"), SAID)
async def test_a_node_s_words_about_a_transaction_are_typed(sent: Sent, who: str, said: str | tuple[int, str]) -> None:
    code, message = said if isinstance(said, tuple) else (-32000, said)
    assert read_sent(await answer_to(refusal(code, message)), HASH) is sent, who


def test_every_row_of_the_table_is_reached_and_every_kind_has_a_message() -> None:
    shadowed = {row.words: meaning_of(row.words) for row in TABLE if meaning_of(row.words) is not row.sent}
    assert shadowed == {}
    assert {sent for sent, _, _ in SAID} == set(Sent) - {Sent.UNREACHABLE}
    assert set(ACTS) == set(Sent)


def test_the_docs_show_the_table_with_what_is_done() -> None:
    for sent, act in ACTS.items():
        assert f"| {sent.value} |" in DOCS, sent
        (line,) = [one for one in DOCS.splitlines() if one.startswith(f"| {sent.value} |")]
        assert line.endswith(f"| {act.name.lower().replace('_', ' ')} |"), sent
        for row in (r for r in TABLE if r.sent is sent):
            assert f"`{row.words}`" in line, row


@given(st.text(max_size=80))
def test_words_of_nobody_are_unknown(said: str) -> None:
    if not any(row.words in said.lower() for row in TABLE):
        assert read_sent(NodeRefused(said, b"", endpoint="a"), HASH) is Sent.UNKNOWN


def test_what_is_no_answer_of_a_node_says_nothing_of_the_transaction() -> None:
    assert read_sent(HASH, HASH) is read_sent(HASH.upper(), HASH) is Sent.TAKEN
    assert {read_sent(answer, HASH) for answer in (None, "0x", "", "ok", "0x" + "22" * 32, True, {})} == {Sent.UNKNOWN}
    assert read_sent(TimedOut(endpoint="a"), HASH) is Sent.TIMED_OUT
    kinds = (
        Unreachable("lost", endpoint="a"),
        Malformed("a page", endpoint="a"),
        Refused("HTTP", endpoint="a", status=403),
    )
    assert {read_sent(error, HASH) for error in kinds} == {Sent.UNREACHABLE}
    assert ACTS[Sent.UNREACHABLE] is Act.AGAIN


@pytest.mark.parametrize("kind", [JsonRpc, Node])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"rate limited"),
        (200, b"<html>Too Many Requests</html>"),
        (200, b'{"jsonrpc":"2.0","id":1,"error":"rate limited"}'),
        (200, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"15/second request limit reached"}}'),
        (200, refusal(-32001, "You've reached the usage limit for your current plan.")),
        (429, b""),
        (503, refusal(429, "Your app has exceeded its compute units per second capacity.")),
    ],
)
async def test_a_limit_is_one_however_it_is_wrapped(kind: type[JsonRpc], status: int, body: bytes) -> None:
    assert isinstance(await answer_to(body, status, kind), RateLimited)


@pytest.mark.parametrize(
    "said", ["execution reverted: rate limit exceeded", "execution reverted: deposit quota reached"]
)
async def test_control_a_contract_that_speaks_of_limits_has_reverted(said: str) -> None:
    assert isinstance(await answer_to(refusal(3, said), 200, JsonRpc), Reverted)
    assert isinstance(await answer_to(refusal(3, said)), NodeRefused)
