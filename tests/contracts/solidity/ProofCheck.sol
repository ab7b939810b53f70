// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {MerkleProof} from "@uniswap/v4-periphery/lib/v4-core/lib/openzeppelin-contracts/contracts/utils/cryptography/MerkleProof.sol";

/// OpenZeppelin's own check of a proof.
contract ProofCheck {
    function verify(bytes32[] memory proof, bytes32 root, bytes32 leaf) external pure returns (bool) {
        return MerkleProof.verify(proof, root, leaf);
    }
}
