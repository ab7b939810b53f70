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
from oracle.chain.node_refusals import ACTION_OF, TABLE, SendAction, SendOutcome, meaning_of
from oracle.chain.quorum_rpc import Node, NodeRefused
from oracle.chain.rpc_answers import read_send_outcome

DOCS = (Path(__file__).parent.parent.parent.parent / "docs" / "push.md").read_text(encoding="utf-8")
HASH = "0x" + "1a" * 32
KEY = "0x90f79bf6eb2c4f870365e785982e1f101e93b906"
SAID = [
    (SendOutcome.TAKEN, "geth, bor, op-geth", "already known"),
    (SendOutcome.TAKEN, "erigon", "ALREADY_EXISTS: already known"),
    (SendOutcome.TAKEN, "erigon", "INTERNAL_ERROR: existing txn with same hash"),
    (SendOutcome.TAKEN, "besu", "Known transaction"),
    (SendOutcome.TAKEN, "nethermind, before 2026", "AlreadyKnown"),
    (SendOutcome.TAKEN, "zksync-os", "[0x2f]: already imported"),
    (SendOutcome.TAKEN, "zksync-era", "known transaction. transaction with hash 0x2f is already in the system"),
    (SendOutcome.NONCE_USED, "geth, bor, op-geth", f"nonce too low: next nonce 5, tx nonce 4, address {KEY}"),
    (SendOutcome.NONCE_USED, "reth", "nonce too low: next nonce 5, tx nonce 4"),
    (SendOutcome.NONCE_USED, "besu", "Nonce too low"),
    (SendOutcome.NONCE_USED, "nethermind, before 2026", "OldNonce, Current nonce: 5, nonce of rejected tx: 4"),
    (SendOutcome.NONCE_USED, "zksync-era", "nonce too low. allowed nonce range: 5 - 105, actual: 4"),
    (SendOutcome.NONCE_USED, "arbitrum", f"nonce too low: address {KEY}, tx: 4 state: 5"),
    (SendOutcome.BELOW_BASE_FEE, "arbitrum, zksync-os, avalanche",
     f"max fee per gas less than block base fee: address {KEY}, maxFeePerGas: 100000000, baseFee: 293352000"),
    (SendOutcome.BELOW_BASE_FEE, "arbitrum", f"err: max fee per gas less than block base fee: address {KEY}, maxFeePerGas: 1 baseFee: 2"),
    (SendOutcome.BELOW_BASE_FEE, "reth, zksync-era", "max fee per gas less than block base fee"),
    (SendOutcome.BELOW_BASE_FEE, "besu", "Gas price below current base fee"),
    (SendOutcome.BELOW_BASE_FEE, "nethermind, before 2026",
     "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2, MaxPriorityFeePerGas:1, Block number: 3"),
    (SendOutcome.REPLACEMENT, "geth, bor, op-geth, reth", "replacement transaction underpriced"),
    (SendOutcome.UNDERPRICED, "geth, before 2025", "transaction underpriced: gas tip cap 1, minimum needed 25000000000"),
    (SendOutcome.UNDERPRICED, "geth, bor", "transaction gas price below minimum: gas tip cap 1, minimum needed 25000000000"),
    (SendOutcome.REPLACEMENT, "besu", "Replacement transaction underpriced"),
    (SendOutcome.UNDERPRICED, "besu", "Gas price below configured minimum gas price"),
    (SendOutcome.REPLACEMENT, "nethermind", "replacement transaction underpriced"),
    (SendOutcome.REPLACEMENT, "nethermind, before 2026", "ReplacementNotAllowed"),
    (SendOutcome.UNDERPRICED, "nethermind, before 2026", "FeeTooLowToCompete"),
    (SendOutcome.UNDERPRICED, "erigon", "FEE_TOO_LOW: underpriced"),
    (SendOutcome.UNDERPRICED, "erigon", "FEE_TOO_LOW: fee too low"),
    (SendOutcome.REPLACEMENT, "erigon", "INTERNAL_ERROR: could not replace existing tx"),
    (SendOutcome.REPLACEMENT, "zksync-os", "[0x2f]: insufficient gas price to replace existing transaction"),
    (SendOutcome.UNDERPRICED, "zksync-os", "[0x2f]: transaction feeCap 5 below chain minimum"),
    (SendOutcome.UNDERPRICED, "reth", "transaction priority fee below minimum required priority fee 1000000"),
    (SendOutcome.TOO_MUCH_GAS, "geth", "exceeds block gas limit"),
    (SendOutcome.TOO_MUCH_GAS, "geth, bor", "transaction gas limit too high (cap: 16777216, tx: 21000000)"),
    (SendOutcome.TOO_MUCH_GAS, "geth, erigon, reth", "gas required exceeds allowance (16777216)"),
    (SendOutcome.TOO_MUCH_GAS, "besu", "Transaction gas limit exceeds block gas limit"),
    (SendOutcome.TOO_MUCH_GAS, "nethermind", "gas limit reached, Gas limit: 30000000, gas limit of rejected tx: 40000000"),
    (SendOutcome.TOO_MUCH_GAS, "erigon", "gas limit is too high"),
    (SendOutcome.TOO_MUCH_GAS, "reth", "exceeds max transaction gas limit"),
    (SendOutcome.TOO_MUCH_GAS, "zksync-os", "[0x2f]: transaction's gas limit 2 exceeds block's gas limit 1"),
    (SendOutcome.TOO_MUCH_GAS, "zksync-era", "exceeds block gas limit"),
    (SendOutcome.OVERSIZED, "geth, reth", "oversized data: transaction size 131089, limit 131072"),
    (SendOutcome.OVERSIZED, "zksync-era", "oversized data. max: 1000000; actual: 1000001"),
    (SendOutcome.OVERSIZED, "nethermind", "transaction too large"),
    (SendOutcome.OVERSIZED, "erigon", "RLPTooLong"),
    (SendOutcome.TOO_LITTLE_GAS, "geth, reth, op-geth", "intrinsic gas too low: gas 21000, minimum needed 21064"),
    (SendOutcome.TOO_LITTLE_GAS, "geth", "insufficient gas for floor data gas cost: gas 21000, minimum needed 40000"),
    (SendOutcome.TOO_LITTLE_GAS, "besu", "Intrinsic gas exceeds gas limit"),
    (SendOutcome.TOO_LITTLE_GAS, "erigon", "IntrinsicGas"),
    (SendOutcome.REVERTS, "arbitrum, zksync-era", "execution reverted: 0x1f2a2005"),
    (SendOutcome.FEE_CAP, "geth, erigon, bor", "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)"),
    (SendOutcome.FEE_CAP, "reth", "tx fee (1100000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)"),
    (SendOutcome.FEE_CAP, "besu", "Transaction fee cap exceeded"),
    (SendOutcome.NO_FUNDS, "geth, bor, op-geth", "insufficient funds for gas * price + value: balance 0, tx cost 5, overshot 5"),
    (SendOutcome.NO_FUNDS, "reth", "insufficient funds for gas * price + value: have 1 want 2"),
    (SendOutcome.NO_FUNDS, "besu", "Upfront cost exceeds account balance"),
    (SendOutcome.NO_FUNDS, "nethermind, before 2026", "InsufficientFunds, Account balance: 0, cumulative cost: 5"),
    (SendOutcome.NO_FUNDS, "erigon", "INTERNAL_ERROR: insufficient funds"),
    (SendOutcome.NO_FUNDS, "zksync-era", "insufficient funds for gas + value. balance: 0, fee: 5, value: 0"),
    (SendOutcome.NO_FUNDS, "anvil", "Insufficient funds for gas * price + value"),
    (SendOutcome.WRONG_CHAIN, "geth, op-geth", "invalid sender: invalid chain id for signer: have 8141 want 1"),
    (SendOutcome.WRONG_CHAIN, "nethermind", "transaction invalid, InvalidTxChainId: Expected 1, got 8141."),
    (SendOutcome.WRONG_CHAIN, "besu", "Wrong chainId"),
    (SendOutcome.WRONG_CHAIN, "reth", "invalid chain ID"),
    (SendOutcome.TYPE_UNKNOWN, "geth, reth", "transaction type not supported"),
    (SendOutcome.TYPE_UNKNOWN, "besu", "Invalid transaction type"),
    (SendOutcome.TYPE_UNKNOWN, "nethermind", "unsupported transaction type"),
    (SendOutcome.TYPE_UNKNOWN, "erigon", "fork supporting this transaction type is not activated yet"),
    (SendOutcome.NONCE_GAP, "geth, arbitrum", f"nonce too high: address {KEY}, tx: 9 state: 5"),
    (SendOutcome.NONCE_GAP, "nethermind, before 2026", "NonceGap, Future nonce. Expected nonce: 5"),
    (SendOutcome.NONCE_GAP, "nethermind", "nonce too far in future"),
    (SendOutcome.NONCE_GAP, "besu", "Transaction nonce is too distant from current sender nonce"),
    (SendOutcome.POOL_FULL, "geth, reth, bor", "txpool is full"),
    (SendOutcome.POOL_FULL, "geth", "account limit exceeded: pooled 64 txs"),
    (SendOutcome.POOL_FULL, "geth, reth", "address already reserved"),
    (SendOutcome.POOL_FULL, "geth", "in-flight transaction limit reached for delegated accounts"),
    (SendOutcome.POOL_FULL, "erigon", "pending sub-pool is full"),
    (SendOutcome.POOL_FULL, "zksync-os", "[0x2f]: transaction discarded outright due to pool size constraints"),
    (SendOutcome.POOL_FULL, "arbitrum", "sequencer pending tx pool full, please try again"),
    (SendOutcome.POOL_FULL, "zksync-era", "insertion of another transaction with the same nonce is in progress"),
    (SendOutcome.NOT_READY, "nethermind", "node is syncing"),
    (SendOutcome.NOT_READY, "besu", "Initial sync is still in progress"),
    (SendOutcome.NOT_READY, "arbitrum", "please retry transaction: not main sequencer"),
    (SendOutcome.NOT_READY, "arbitrum", "sequencer temporarily not available"),
    (SendOutcome.NOT_READY, "cloudflare", "Cannot fulfill request"),
    (SendOutcome.RATE_LIMITED, "infura", (-32005, "daily request count exceeded, request rate limited")),
    (SendOutcome.RATE_LIMITED, "infura", (-32005, "project ID request rate exceeded")),
    (SendOutcome.RATE_LIMITED, "alchemy",
     (429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, ignore this.")),
    (SendOutcome.RATE_LIMITED, "alchemy", (-32000, "Monthly capacity limit exceeded. Visit the dashboard to upgrade your plan.")),
    (SendOutcome.RATE_LIMITED, "quicknode", (-32007, "50/second request limit reached - reduce calls per second or upgrade")),
    (SendOutcome.RATE_LIMITED, "cloudflare", (-32000, "rate limited")),
    (SendOutcome.RATE_LIMITED, "chainstack", (-32005, "You've exceeded the RPS limit available on the current plan.")),
    (SendOutcome.RATE_LIMITED, "1rpc", (-32001, "You've reached the usage limit for your current plan.")),
    (SendOutcome.RATE_LIMITED, "therpc", (-32029, "slower, please")),
    (SendOutcome.METHOD_MISSING, "geth, infura", (-32601, "the method eth_sendRawTransaction does not exist/is not available")),
    (SendOutcome.METHOD_MISSING, "besu", (-32604, "Method not enabled")),
    (SendOutcome.METHOD_MISSING, "reth, alchemy", (-32601, "Method not found")),
    (SendOutcome.METHOD_MISSING, "arbitrum", "publishing transactions not supported by this endpoint"),
    (SendOutcome.TIMED_OUT, "geth", "request timed out"),
    (SendOutcome.TIMED_OUT, "arbitrum", "context deadline exceeded"),
    (SendOutcome.TIMED_OUT, "besu", (-32603, "Timeout expired")),
    (SendOutcome.TAKEN, "a gateway", "tx already in mempool"),
    (SendOutcome.TAKEN, "a gateway", "Transaction already exists"),
    (SendOutcome.NONCE_USED, "a gateway", "Transaction nonce is too low. Try incrementing the nonce."),
    (SendOutcome.NONCE_USED, "a gateway", "NONCE_TOO_LOW"),
    (SendOutcome.NONCE_USED, "a gateway", "minimum expected nonce is 5"),
    (SendOutcome.NONCE_GAP, "geth", "gapped-nonce tx from delegated accounts"),
    (SendOutcome.UNDERPRICED, "hedera", "Gas price '10' is below configured minimum gas price '71'"),
    (SendOutcome.BELOW_BASE_FEE, "a gateway", "max fee per gas (1) lower than base fee (2)"),
    (SendOutcome.BELOW_BASE_FEE, "a gateway", "fee cap less than block base fee"),
    (SendOutcome.TOO_MUCH_GAS, "a gateway", "block gas limit exceeded"),
    (SendOutcome.POOL_FULL, "a gateway", "mempool is full"),
    (SendOutcome.METHOD_MISSING, "a gateway", "method eth_sendRawTransaction not allowed"),
    (SendOutcome.UNKNOWN, "nobody", "the node is on fire"),
    (SendOutcome.UNKNOWN, "nobody", "unknown transaction"),
    (SendOutcome.UNKNOWN, "nobody", "denounced: preunderpriced"),
    (SendOutcome.UNKNOWN, "cloudflare, alchemy", (-32603, "Internal error")),
]  # fmt: skip


async def answer_to(body: bytes, status: int = 200, kind: type[JsonRpc] = Node) -> object:
    """What the client makes of an endpoint's answer."""
    async with aiohttp.ClientSession() as session:
        client = kind("http://node.invalid", session=session, timeout_ms=1, max_body=1 << 20)
        try:
            return client.parse_answer(status, body)
        except FeedError as e:
            return e


def refusal(code: int, message: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}})


@pytest.mark.parametrize(("sent", "who", "said"), SAID)
async def test_a_node_s_words_about_a_transaction_are_typed(
    sent: SendOutcome, who: str, said: str | tuple[int, str]
) -> None:
    code, message = said if isinstance(said, tuple) else (-32000, said)
    assert read_send_outcome(await answer_to(refusal(code, message)), HASH) is sent, who


def test_every_row_of_the_table_is_reached_and_every_kind_has_a_message() -> None:
    shadowed = {row.words: meaning_of(row.words) for row in TABLE if meaning_of(row.words) is not row.outcome}
    assert shadowed == {}
    assert {sent for sent, _, _ in SAID} == set(SendOutcome) - {SendOutcome.UNREACHABLE}
    assert set(ACTION_OF) == set(SendOutcome)


def test_the_docs_show_the_table_with_what_is_done() -> None:
    for sent, act in ACTION_OF.items():
        assert f"| {sent.value} |" in DOCS, sent
        (line,) = [one for one in DOCS.splitlines() if one.startswith(f"| {sent.value} |")]
        assert line.endswith(f"| {act.name.lower().replace('_', ' ')} |"), sent
        for row in (r for r in TABLE if r.outcome is sent):
            assert f"`{row.words}`" in line, row


@given(st.text(max_size=80))
def test_words_of_nobody_are_unknown(said: str) -> None:
    if not any(row.words in said.lower() for row in TABLE):
        assert read_send_outcome(NodeRefused(said, b"", endpoint="a"), HASH) is SendOutcome.UNKNOWN


def test_what_is_no_answer_of_a_node_says_nothing_of_the_transaction() -> None:
    assert read_send_outcome(HASH, HASH) is read_send_outcome(HASH.upper(), HASH) is SendOutcome.TAKEN
    assert {read_send_outcome(answer, HASH) for answer in (None, "0x", "", "ok", "0x" + "22" * 32, True, {})} == {
        SendOutcome.UNKNOWN
    }
    assert read_send_outcome(TimedOut(endpoint="a"), HASH) is SendOutcome.TIMED_OUT
    kinds = (
        Unreachable("lost", endpoint="a"),
        Malformed("a page", endpoint="a"),
        Refused("HTTP", endpoint="a", status=403),
    )
    assert {read_send_outcome(error, HASH) for error in kinds} == {SendOutcome.UNREACHABLE}
    assert ACTION_OF[SendOutcome.UNREACHABLE] is SendAction.AGAIN


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
