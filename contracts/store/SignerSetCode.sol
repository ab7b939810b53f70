// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// The signer set stored as the code of a data contract (the SSTORE2 pattern): reading one cold account is cheaper than
// reading a slot per signer. The code is 0x00 (STOP: it cannot be executed), then words of 32 bytes: lastRound 4 |
// activeAt 4 | stepThreshold 12 | threshold 12, then address 20 | weight 12 for each signer.

/// @dev Deploys the data contract; returns 0 if that failed. `head`: lastRound 32 | activeAt 32 | stepThreshold 96 |
///      threshold 96.
function writeSigners(uint256 head, uint256[] memory members) returns (address pointer) {
    bytes memory data = abi.encodePacked(hex"00", head, members);
    // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns the bytes that follow
    bytes memory code = bytes.concat(hex"61", bytes2(uint16(data.length)), hex"80600a3d393df3", data);
    assembly ("memory-safe") {
        pointer := create(0, add(code, 32), mload(code))
    }
}

/// @dev Copies the words to memory; returns the memory offset of the first, for the functions below.
function readSigners(address pointer, uint256 count) view returns (uint256 words) {
    assembly ("memory-safe") {
        words := mload(0x40)
        let size := shl(5, add(count, 1))
        extcodecopy(pointer, words, 1, size)
        mstore(0x40, add(words, size))
    }
}

/// @dev Weight that a batch needs.
function thresholdOf(uint256 words) pure returns (uint256 threshold) {
    assembly ("memory-safe") {
        threshold := shr(160, shl(160, mload(words)))
    }
}

/// @dev Weight with which a price may move by any step.
function stepThresholdOf(uint256 words) pure returns (uint256 threshold) {
    assembly ("memory-safe") {
        threshold := shr(160, shl(64, mload(words)))
    }
}

/// @dev First roundTime that the set may sign; 0 for the first set.
function activeAtOf(uint256 words) pure returns (uint256 activeAt) {
    assembly ("memory-safe") {
        activeAt := shr(224, shl(32, mload(words)))
    }
}

/// @dev Last roundTime that the set may sign; all ones, the last there is, for a set that never expires.
function lastRoundOf(uint256 words) pure returns (uint256 lastRound) {
    assembly ("memory-safe") {
        lastRound := shr(224, mload(words))
    }
}

/// @dev The first word, as `writeSigners` took it.
function headOf(uint256 words) pure returns (uint256 head) {
    assembly ("memory-safe") {
        head := mload(words)
    }
}

/// @dev address 20 | weight 12. The caller has checked the index.
function memberAt(uint256 words, uint256 index) pure returns (uint256 member) {
    assembly ("memory-safe") {
        member := mload(add(add(words, 32), shl(5, index)))
    }
}
