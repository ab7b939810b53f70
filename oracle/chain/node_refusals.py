"""The messages with which nodes and gateways answer a raw transaction, as data, and what they mean. Pure.

The words are those of the clients' own source, as far as it is public: geth `core/error.go`, `core/txpool/errors.go`,
`internal/ethapi`; Nethermind `TxPool/AcceptTxResult.cs`, `TxPool/TxPoolErrorMessages.cs`; Besu `RpcErrorType.java`; Erigon
`txpoolcfg/txpoolcfg.go`; Reth `rpc-eth-types/src/error/mod.rs`, `transaction-pool/src/error.rs`; nitro
`execution/gethexec/sequencer.go`; zksync-era `tx_sender/result.rs`; zksync-os-server `rpc/src/tx_handler.rs`. op-geth, bor and
coreth keep geth's. Each row's ``client`` names them; docs/push.md shows the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum


class SendOutcome(StrEnum):
    """What became of a broadcast. The order is what counts where nodes differ: the first of theirs."""

    TAKEN = "taken"
    NONCE_USED = "nonce used"
    REPLACEMENT = "replacement underpriced"
    UNDERPRICED = "underpriced"
    BELOW_BASE_FEE = "below base fee"
    TOO_MUCH_GAS = "too much gas"
    OVERSIZED = "oversized"
    TOO_LITTLE_GAS = "too little gas"
    REVERTS = "reverts"
    FEE_CAP = "fee cap"
    NO_FUNDS = "no funds"
    WRONG_CHAIN = "wrong chain"
    TYPE_UNKNOWN = "type unknown"
    NONCE_GAP = "nonce gap"
    UNKNOWN = "unknown"
    POOL_FULL = "pool full"
    NOT_READY = "not ready"
    RATE_LIMITED = "rate limited"
    METHOD_MISSING = "method missing"
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"


class SendAction(Enum):
    """What the pusher does about it."""

    NOTHING = "it waits for the receipt"
    RAISE = "made anew at once, for what the market asks now; for more than what a node holds"
    AGAIN = "the same bytes go again, after a pause that doubles"
    REBUILD = "the same bytes go once more, then it is simulated and made anew"
    GIVE_UP = "given up: no node will ever take it; the next round's push is made from what was learnt"


ACTION_OF = {
    SendOutcome.TAKEN: SendAction.NOTHING,
    SendOutcome.NONCE_USED: SendAction.AGAIN,
    SendOutcome.REPLACEMENT: SendAction.RAISE,
    SendOutcome.UNDERPRICED: SendAction.RAISE,
    SendOutcome.BELOW_BASE_FEE: SendAction.RAISE,
    SendOutcome.TOO_MUCH_GAS: SendAction.GIVE_UP,
    SendOutcome.OVERSIZED: SendAction.GIVE_UP,
    SendOutcome.TOO_LITTLE_GAS: SendAction.REBUILD,
    SendOutcome.REVERTS: SendAction.REBUILD,
    SendOutcome.FEE_CAP: SendAction.GIVE_UP,
    SendOutcome.NO_FUNDS: SendAction.AGAIN,
    SendOutcome.WRONG_CHAIN: SendAction.GIVE_UP,
    SendOutcome.TYPE_UNKNOWN: SendAction.GIVE_UP,
    SendOutcome.NONCE_GAP: SendAction.AGAIN,
    SendOutcome.UNKNOWN: SendAction.REBUILD,
    SendOutcome.POOL_FULL: SendAction.AGAIN,
    SendOutcome.NOT_READY: SendAction.AGAIN,
    SendOutcome.RATE_LIMITED: SendAction.AGAIN,
    SendOutcome.METHOD_MISSING: SendAction.AGAIN,
    SendOutcome.TIMED_OUT: SendAction.AGAIN,
    SendOutcome.UNREACHABLE: SendAction.AGAIN,
}


@dataclass(frozen=True, slots=True)
class RefusalPattern:
    """Words of a refusal (lower case, a part of the message), what they mean, and the client that uses them."""

    words: str
    outcome: SendOutcome
    client: str


def _rows(outcome: SendOutcome, **phrases_by: str) -> Iterator[RefusalPattern]:
    """Rows of one meaning: by client, its phrases with a bar between them."""
    for client, phrases in phrases_by.items():
        for words in phrases.split("|"):
            yield RefusalPattern(words=words, outcome=outcome, client=client.replace("_", "-"))


TABLE = (
    *_rows(
        SendOutcome.TAKEN,
        geth="already known|known transaction:",
        nethermind="alreadyknown",
        besu="known transaction",
        erigon="existing txn with same hash",
        reth="already imported",
        zksync_era="known transaction. transaction with hash",
        gateways="already in mempool|transaction already exists",
    ),
    *_rows(
        SendOutcome.NONCE_USED,
        geth="nonce too low",
        nethermind="oldnonce",
        arbitrum="invalid transaction nonce",
        gateways="nonce is too low|nonce_too_low|minimum expected nonce is",
    ),
    *_rows(
        SendOutcome.BELOW_BASE_FEE,
        geth="max fee per gas less than block base fee",
        besu="gas price below current base fee",
        nethermind="maxfeepergas too low",
        arbitrum="max fee per gas less than block base fee: address",
        zksync_era="max fee per gas less than block base fee",
        astar="gas price less than block base fee",
        gateways="lower than base fee|fee cap less than block base fee",
    ),
    *_rows(
        SendOutcome.REPLACEMENT,
        geth="replacement transaction underpriced",
        nethermind="replacementnotallowed",
        erigon="could not replace existing tx|replaced by transaction with higher tip",
        reth="insufficient gas price to replace existing transaction",
    ),
    *_rows(
        SendOutcome.UNDERPRICED,
        geth="transaction underpriced|transaction gas price below minimum",
        nethermind="feetoolow",
        besu="gas price below configured minimum gas price",
        erigon="underpriced|fee too low",
        reth="below chain minimum|priority fee below minimum required priority fee",
        arbitrum="gas price too low",
        hedera="is below configured minimum gas price",
    ),
    *_rows(
        SendOutcome.TOO_MUCH_GAS,
        geth="exceeds block gas limit|transaction gas limit too high|gas required exceeds allowance",
        nethermind="gas limit reached|gaslimitexceeded",
        besu="gas limit exceeds block gas limit",
        gateways="block gas limit exceeded",
        erigon="gas limit is too high",
        reth="exceeds max transaction gas limit|exceeds block's gas limit|intrinsic gas too high|gas limit too high",
    ),
    *_rows(
        SendOutcome.OVERSIZED,
        geth="oversized data",
        nethermind="transaction too large|maxtxsizeexceeded",
        erigon="rlptoolong",
        reth="input data too large",
        gateways="request too large|request entity too large|content too large",
    ),
    *_rows(
        SendOutcome.TOO_LITTLE_GAS,
        geth="intrinsic gas too low|insufficient gas for floor data gas cost",
        besu="intrinsic gas exceeds gas limit",
        erigon="intrinsicgas",
        zksync_era="not enough gas for transaction validation|failed to pay the fee to the operator",
    ),
    *_rows(SendOutcome.REVERTS, geth="execution reverted", zksync_era="failed to validate the transaction"),
    *_rows(SendOutcome.FEE_CAP, geth="exceeds the configured cap", besu="transaction fee cap exceeded"),
    *_rows(
        SendOutcome.NO_FUNDS,
        geth="insufficient funds|insufficient balance for transfer|transaction would cause overdraft",
        nethermind="insufficientfunds",
        besu="upfront cost exceeds account balance",
        reth="transaction overdraws from account",
        arbitrum="not enough funds for gas",
        zksync_era="not enough balance to cover the fee",
    ),
    *_rows(
        SendOutcome.WRONG_CHAIN,
        geth="invalid chain id|invalid sender|only replay-protected",
        nethermind="invalidtxchainid|failed to recover sender|failedtoresolvesender",
        besu="wrong chainid|chainid not supported|chainid is required|invalid signature",
        reth="invalid transaction signature",
    ),
    *_rows(
        SendOutcome.TYPE_UNKNOWN,
        geth="transaction type not supported|invalid transaction type",
        nethermind="unsupported transaction type|notsupportedtxtype",
        erigon="fork supporting this transaction type is not activated yet",
        reth="failed to decode signed transaction",
    ),
    *_rows(
        SendOutcome.NONCE_GAP,
        geth="nonce too high|future transaction tries to replace pending|gapped-nonce tx from delegated accounts",
        nethermind="noncegap|nonce too far in future|noncetoofarinfuture",
        besu="transaction nonce is too distant|invalid transaction with a lower nonce exists",
    ),
    *_rows(
        SendOutcome.POOL_FULL,
        geth="txpool is full|account limit exceeded|already reserved|in-flight transaction limit reached",
        nethermind="pending transaction type conflict|pendingtxsofconflictingtype",
        erigon="sub-pool is full|spammer",
        reth="pool size constraints|conflicts with existing transaction",
        arbitrum="sequencer pending tx pool full|queue full",
        zksync_era="insertion of another transaction with the same nonce is in progress",
        gateways="mempool is full",
    ),
    *_rows(
        SendOutcome.NOT_READY,
        nethermind="node is syncing|syncing",
        besu="initial sync is still in progress|transaction pool not enabled",
        arbitrum="please retry transaction|sequencer temporarily not available"
        "|failed to publish transaction to any of the forwarding targets",
        zksync_era="server shutting down",
        cloudflare="cannot fulfill request",
    ),
    *_rows(
        SendOutcome.METHOD_MISSING,
        geth="does not exist/is not available",
        besu="method not enabled|method not found",
        arbitrum="publishing transactions not supported by this endpoint",
        gateways="method is not whitelisted|unsupported method|method not supported|method eth_sendrawtransaction not allowed",
    ),
    *_rows(
        SendOutcome.TIMED_OUT,
        geth="request timed out|context deadline exceeded",
        besu="timeout expired",
        gateways="timeout on the free tier|gateway time-out|i/o timeout",
    ),
)
"""In this order: the first row whose words are in a message decides."""


def meaning_of(message: str) -> SendOutcome:
    """What a node's message says of a transaction; UNKNOWN for words that no client is known to use."""
    low = message.lower()
    return next((row.outcome for row in TABLE if _holds(low, row.words)), SendOutcome.UNKNOWN)


def _holds(low: str, words: str) -> bool:
    """Whether the message holds the words, not as the end of a longer one: "unknown transaction" is not a known one."""
    at = low.find(words)
    return at == 0 or (at > 0 and not low[at - 1].isalpha())
