// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Proof that one key signed two things: two batches in one domain, of one roundTime, whose items for one token differ.
// Only `Batch` counts. What operators sign among themselves is `Observed`, another type, whose digest is another one.

/// @dev One signed batch: as PriceStore.push takes it, and 64 bytes r | vs by the accused.
struct Signed {
    bytes batch;
    bytes32 r;
    bytes32 vs;
}

/// @dev The batches are no contradiction: other rounds, no such token in one of them, or the same item.
error NoContradiction();
/// @dev Not 10 + 30 n bytes.
error BadBatch();
/// @dev The signature is nobody's.
error BadEvidence();

uint256 constant HEADER = 10;
uint256 constant ITEM = 30;
bytes32 constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
bytes32 constant DOMAIN =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

/// @dev EIP-712 domain of a store, on a chain whose id it has had at any time.
function domainOf(uint256 chainId, address store) pure returns (bytes32) {
    return keccak256(abi.encode(DOMAIN, keccak256("lrt-oracle"), keccak256("1"), chainId, store));
}

/// @dev Who signed the batch, and its digest. Reverts if nobody did.
function signerOf(bytes32 domain, Signed calldata one) pure returns (address signer, bytes32 digest) {
    bytes calldata batch = one.batch;
    if (batch.length <= HEADER || batch.length % ITEM != HEADER) revert BadBatch();
    bytes32 items = keccak256(batch[HEADER:]);
    bytes32 body = keccak256(abi.encode(BATCH, epochOf(batch), uint256(uint32(bytes4(batch[6:10]))), items));
    digest = keccak256(abi.encodePacked(hex"1901", domain, body));
    uint256 vs = uint256(one.vs);
    signer = ecrecover(digest, uint8(27 + (vs >> 255)), one.r, bytes32((vs << 1) >> 1));
    if (signer == address(0)) revert BadEvidence();
}

/// @dev Epoch that a batch was signed for.
function epochOf(bytes calldata batch) pure returns (uint256) {
    return uint48(bytes6(batch[0:6]));
}

/// @dev Reverts unless both are of one round and say different things of the token: its first item counts, as on the chain.
function contradict(bytes calldata a, bytes calldata b, uint16 index) pure {
    if (bytes4(a[6:10]) != bytes4(b[6:10])) revert NoContradiction();
    (bool inA, bytes32 itemA) = itemOf(a, index);
    (bool inB, bytes32 itemB) = itemOf(b, index);
    if (!inA || !inB || itemA == itemB) revert NoContradiction();
}

/// @dev Hash of the first item of a token in a batch.
function itemOf(bytes calldata batch, uint16 index) pure returns (bool found, bytes32 item) {
    for (uint256 at = HEADER; at < batch.length; at += ITEM) {
        if (uint16(bytes2(batch[at:at + 2])) == index) return (true, keccak256(batch[at:at + ITEM]));
    }
}
