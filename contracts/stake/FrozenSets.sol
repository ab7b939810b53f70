// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IStakedSet} from "../interfaces/IStakedSet.sol";
import {memberAt, readSigners, writeSigners} from "../store/SignerSetCode.sol";

/// @title Sets as they were frozen, one data contract each
/// @dev The store's format, with other words in it: total 96 | threshold 96, then key 20 | weight 12 of each member, ascending by
///      key, then capture 48 | operator 160 of each in the same order.
abstract contract FrozenSets is IStakedSet {
    uint256 private constant LOW_48 = type(uint48).max;
    uint256 internal constant LOW_96 = type(uint96).max;

    /// @dev capture 48 | provableUntil 48 | pointer 160
    mapping(uint256 epoch => uint256) private frozen;

    /// @notice Stakes were frozen for this epoch: `membersOf` has its members, whose words can be proven until then. The store's
    ///         `SignersSet` follows in the same transaction.
    event SetFrozen(uint48 indexed epoch, uint48 capture, uint48 provableUntil, uint256 threshold, uint256 total);

    /// @notice The data contract could not be made.
    error NoRecord();

    /// @inheritdoc IStakedSet
    function frozenOf(uint256 epoch) external view returns (Frozen memory) {
        uint256 packed = frozen[epoch];
        if (packed == 0) return Frozen(0, 0, 0, 0);
        (uint256 words,) = _read(address(uint160(packed)));
        uint256 head = _headAt(words);
        return Frozen(uint48(packed >> 208), uint48(packed >> 160), uint96(head), uint96(head >> 96));
    }

    /// @inheritdoc IStakedSet
    function memberOf(uint256 epoch, address key) external view returns (address operator, uint96 weight) {
        (uint256 words, uint256 count) = _read(_recordOf(epoch));
        for (uint256 i; i < count; ++i) {
            uint256 member = memberAt(words, i);
            if (address(uint160(member >> 96)) == key) {
                return (address(uint160(memberAt(words, count + i))), uint96(member));
            }
        }
    }

    /// @inheritdoc IStakedSet
    function captureOf(uint256 epoch, address operator) external view returns (uint48) {
        (uint256 words, uint256 count) = _read(_recordOf(epoch));
        for (uint256 i; i < count; ++i) {
            if (_operatorAt(words, count, i) == operator) return _captureAt(words, count, i);
        }
        return 0;
    }

    /// @inheritdoc IStakedSet
    function membersOf(uint256 epoch)
        external
        view
        returns (address[] memory keys, address[] memory operators, uint96[] memory weights)
    {
        (uint256 words, uint256 count) = _read(_recordOf(epoch));
        (keys, operators, weights) = (new address[](count), new address[](count), new uint96[](count));
        for (uint256 i; i < count; ++i) {
            uint256 member = memberAt(words, i);
            (keys[i], weights[i]) = (address(uint160(member >> 96)), uint96(member));
            operators[i] = address(uint160(memberAt(words, count + i)));
        }
    }

    /// @dev Zero if no set was frozen for the epoch.
    function _recordOf(uint256 epoch) internal view returns (address) {
        return address(uint160(frozen[epoch]));
    }

    /// @dev Replaces what was recorded for the epoch: a set that never was in force.
    function _record(uint256 epoch, uint256 capture, uint256 provableUntil, address pointer) internal {
        frozen[epoch] = (capture << 208) | ((provableUntil & LOW_48) << 160) | uint160(pointer);
    }

    /// @dev Offset of a record's words in memory, and how many members it has: none if there is no record.
    function _read(address pointer) internal view returns (uint256 words, uint256 count) {
        count = pointer.code.length / 64; // 33 bytes and 64 for each member
        words = readSigners(pointer, 2 * count);
    }

    function _headAt(uint256 words) internal pure returns (uint256 head) {
        assembly ("memory-safe") {
            head := mload(words)
        }
    }

    function _operatorAt(uint256 words, uint256 count, uint256 index) internal pure returns (address) {
        return address(uint160(memberAt(words, count + index)));
    }

    function _captureAt(uint256 words, uint256 count, uint256 index) internal pure returns (uint48) {
        return uint48(memberAt(words, count + index) >> 160);
    }

    function _seenWord(address operator, uint48 capture) internal pure returns (uint256) {
        return (uint256(capture) << 160) | uint160(operator);
    }

    /// @dev Writes a record; each array in the same order.
    /// @param seen of each member, by `_seenWord`
    function _write(
        uint256 threshold,
        uint256 total,
        address[] memory keys,
        uint256[] memory seen,
        uint96[] memory weights
    ) internal returns (address pointer) {
        uint256 count = keys.length;
        uint256[] memory words = new uint256[](2 * count);
        for (uint256 i; i < count; ++i) {
            words[i] = (uint256(uint160(keys[i])) << 96) | weights[i];
            words[count + i] = seen[i];
        }
        pointer = writeSigners((total << 96) | threshold, words);
        if (pointer == address(0)) revert NoRecord();
    }
}
