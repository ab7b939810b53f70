// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// What a report of rewards is signed over, and who signed it; what an operator is owed in an epoch as a leaf of a tree, and the way
// from a leaf to the root. The tree is that of OpenZeppelin's StandardMerkleTree: a leaf is hashed twice, so that no inner node is
// one, and the two children of a node are hashed in ascending order.

bytes32 constant REWARDS = keccak256("Rewards(uint48 epoch,bytes32 root,address[] absent,bytes32 grounds)");
uint256 constant SIGNATURE = 65;

/// @dev The signatures are not of 65 bytes each, or there is none.
error BadLength(uint256 length);
/// @dev The signature at this position is not of the key at its index, or the indexes do not ascend.
error BadSignature(uint256 position);

/// @dev EIP-712 digest of a report. An array's hash is that of its elements in words of 32 bytes, which `encodePacked` gives.
function reportDigest(
    bytes32 domain,
    uint48 epoch,
    bytes32 root,
    address[] calldata absent,
    bytes32 grounds
) pure returns (bytes32) {
    bytes32 list = keccak256(abi.encodePacked(absent));
    return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(REWARDS, epoch, root, list, grounds))));
}

/// @dev Weight of all keys that signed the digest. Signatures as a store takes them: index 1 | r 32 | vs 32, ascending by index.
function weightOf(bytes32 digest, bytes calldata signatures, address[] memory keys, uint96[] memory weights)
    pure
    returns (uint256 weight)
{
    uint256 length = signatures.length;
    if (length == 0 || length % SIGNATURE != 0) revert BadLength(length);
    uint256 next; // lowest index that may follow: nobody counts twice
    for (uint256 at; at < length; at += SIGNATURE) {
        uint256 index = uint8(signatures[at]);
        uint256 vs = uint256(bytes32(signatures[at + 33:at + 65]));
        bytes32 r = bytes32(signatures[at + 1:at + 33]);
        if (index < next || index >= keys.length) revert BadSignature(at / SIGNATURE);
        address signer = ecrecover(digest, uint8(27 + (vs >> 255)), r, bytes32((vs << 1) >> 1));
        if (signer == address(0) || signer != keys[index]) revert BadSignature(at / SIGNATURE);
        weight += weights[index];
        next = index + 1;
    }
}

/// @dev Leaf of what an operator is owed in an epoch, in one source and asset.
function leafHash(uint48 epoch, address operator, uint256 source, address asset, uint256 amount) pure returns (bytes32) {
    return keccak256(bytes.concat(keccak256(abi.encode(epoch, operator, source, asset, amount))));
}

/// @dev Root to which a proof leads.
function rootFrom(bytes32 leaf, bytes32[] calldata proof) pure returns (bytes32 node) {
    node = leaf;
    for (uint256 i; i < proof.length; ++i) {
        bytes32 other = proof[i];
        node = node < other ? keccak256(abi.encode(node, other)) : keccak256(abi.encode(other, node));
    }
}
