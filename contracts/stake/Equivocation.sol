// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Proof of equivocation, one key signing two different things: two words in one domain, of one roundTime, whose items for
// one token differ. A word is a `Batch`, which the store takes, or a `Sealed`, the certificate of a whole round, which it
// refuses; any two of these kinds count. Operators sign their own values as `Observed`, which has another digest and no say here.

/// @dev The EIP-712 type that a word was signed as.
enum Kind {
    Batch,
    Sealed
}

/// @dev A signed word: its type, the step of the agreement that a `Sealed` was signed in (a `Batch` has none), its bytes as
///      PriceStore.push takes them (a `Sealed` is packed alike), and the accused key's signature, r | vs (64 bytes).
struct Signed {
    Kind kind;
    uint16 step;
    bytes batch;
    bytes32 r;
    bytes32 vs;
}

/// @dev The words do not contradict each other: different rounds, the token is missing in one, or the same item.
error NoContradiction();
/// @dev The word is not 10 + 30 n bytes.
error BadBatch();
/// @dev The signature recovers to no address.
error BadEvidence();

uint256 constant HEADER = 10;
uint256 constant ITEM = 30;
bytes32 constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
bytes32 constant SEALED = keccak256("Sealed(uint48 epoch,uint32 roundTime,uint16 step,bytes items)");
bytes32 constant DOMAIN =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

/// @dev EIP-712 domain of a store under any chain id that its chain has had.
function domainOf(uint256 chainId, address store) pure returns (bytes32) {
    return keccak256(abi.encode(DOMAIN, keccak256("lrt-oracle"), keccak256("1"), chainId, store));
}

/// @dev Signer of the word, and its digest. Reverts if the signature recovers to no address.
function signerOf(bytes32 domain, Signed calldata signed) pure returns (address signer, bytes32 digest) {
    bytes calldata batch = signed.batch;
    if (batch.length <= HEADER || batch.length % ITEM != HEADER) revert BadBatch();
    bytes32 items = keccak256(batch[HEADER:]);
    (uint256 epoch, uint256 roundTime) = (epochOf(batch), uint32(bytes4(batch[6:10])));
    bytes32 body = signed.kind == Kind.Sealed
        ? keccak256(abi.encode(SEALED, epoch, roundTime, signed.step, items))
        : keccak256(abi.encode(BATCH, epoch, roundTime, items));
    digest = keccak256(abi.encodePacked(hex"1901", domain, body));
    uint256 vs = uint256(signed.vs);
    signer = ecrecover(digest, uint8(27 + (vs >> 255)), signed.r, bytes32((vs << 1) >> 1));
    if (signer == address(0)) revert BadEvidence();
}

/// @dev Epoch that the word was signed for.
function epochOf(bytes calldata batch) pure returns (uint256) {
    return uint48(bytes6(batch[0:6]));
}

/// @dev Round that the word was signed for.
function roundTimeOf(bytes calldata batch) pure returns (uint256) {
    return uint32(bytes4(batch[6:10]));
}

/// @dev Reverts unless both are of one round and hold different items of the token; the first item counts, as in the store.
function contradict(bytes calldata a, bytes calldata b, uint16 index) pure {
    if (bytes4(a[6:10]) != bytes4(b[6:10])) revert NoContradiction();
    (bool inA, bytes32 itemA) = itemOf(a, index);
    (bool inB, bytes32 itemB) = itemOf(b, index);
    if (!inA || !inB || itemA == itemB) revert NoContradiction();
}

/// @dev Hash of the first item of a token in a word.
function itemOf(bytes calldata batch, uint16 index) pure returns (bool found, bytes32 item) {
    for (uint256 at = HEADER; at < batch.length; at += ITEM) {
        if (uint16(bytes2(batch[at:at + 2])) == index) return (true, keccak256(batch[at:at + ITEM]));
    }
}
