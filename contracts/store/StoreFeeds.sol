// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IPriceStore} from "../interfaces/IPriceStore.sol";
import {StoreRoles} from "./StoreRoles.sol";

/// @title Registered tokens, the limits of their movement, pauses, and all reads
/// @dev A token's index is class 3 bits | number in the class 13 bits: the write path gets the class from the index
///      and its limits from one immutable word, without another read. Index, id, prices and class never change.
abstract contract StoreFeeds is StoreRoles, IPriceStore {
    uint256 private constant CLASS_SHIFT = 13;
    uint256 private constant IN_CLASS = (1 << CLASS_SHIFT) - 1;
    uint256 private constant CLASSES = 8;

    /// @dev For each class, the first in the low bits: stepBps 16 | minGapS 16.
    uint256 private immutable limits;
    /// @dev For each class, the first in the low bits: stepWaitS 32.
    uint256 private immutable waits;
    uint256 private immutable classes;

    /// @dev By class and number in the class.
    bytes32[][CLASSES] private ids;
    mapping(bytes32 id => uint256) private indexPlusOne;

    /// @notice A token was added.
    event Registered(bytes32 indexed id, uint16 index, bool hasMarket, bool hasRedemption);
    /// @notice This token is not written until it is resumed; reads return halt.
    event Paused(uint16 indexed index, address by);
    /// @notice This token is written again; it stays in halt until its next round.
    event Resumed(uint16 indexed index);

    /// @param classes_ 1 to 8; a token is bound to one when it is registered
    constructor(Limits[] memory classes_) {
        uint256 count_ = classes_.length;
        if (count_ == 0 || count_ > CLASSES) revert BadSettings();
        uint256 limits_;
        uint256 waits_;
        for (uint256 i; i < count_; ++i) {
            Limits memory class_ = classes_[i];
            if (class_.minGapS == 0 || class_.minGapS > 3600 || class_.stepBps == 0 || class_.stepBps > 9999) revert BadLimits(i);
            if (class_.stepWaitS < class_.minGapS || class_.stepWaitS > 1 weeks) revert BadLimits(i);
            limits_ |= ((uint256(class_.stepBps) << 16) | class_.minGapS) << (32 * i);
            waits_ |= uint256(class_.stepWaitS) << (32 * i);
        }
        (limits, waits, classes) = (limits_, waits_, count_);
    }

    // -------------------------------------------------------------------------------------------------------- read

    /// @inheritdoc IPriceStore
    function latest(bytes32 id) external view returns (Report memory report) {
        uint256 word = _slot(indexOf(id));
        if (word & LOW_32 == 0) return report;
        report.market = uint88(word >> 168);
        report.redemption = uint88(word >> 80);
        report.spreadBps = uint16((word >> 64) & MAX_SPREAD);
        report.status = uint8(word >> 56) & 0xf7; // without the bit of the pause
        report.marketAgeS = uint16(word >> 40);
        report.redemptionAgeH = uint8(word >> 32);
        report.roundTime = uint32(word);
        report.held = uint8(((word >> 79) & 1) | ((word >> 77) & 2));
    }

    /// @inheritdoc IPriceStore
    /// @dev In assembly: Solidity's own decoding and encoding cost some 500 gas more.
    function latestAt(uint16 index) external view returns (uint88, uint88, uint16, uint8, uint32, uint16, uint8, uint8) {
        assembly ("memory-safe") {
            let word := sload(index)
            if iszero(and(word, LOW_32)) { word := 0 }
            mstore(0x80, shr(168, word))
            mstore(0xa0, shr(168, shl(88, word)))
            mstore(0xc0, and(shr(64, word), 0x3fff)) // without the bits of held prices
            mstore(0xe0, and(shr(56, word), 0xf7)) // without the bit of the pause
            mstore(0x100, and(word, LOW_32))
            mstore(0x120, and(shr(40, word), 0xffff))
            mstore(0x140, and(shr(32, word), 0xff))
            mstore(0x160, or(and(shr(79, word), 1), and(shr(77, word), 2)))
            return(0x80, 256)
        }
    }

    /// @notice The cheapest reads, for views: calldata without a selector. Two bytes, the index: the word of `slotAt`.
    ///         Three bytes, the index and 0 (market) or 1 (redemption): the word of `heldAt`.
    fallback() external {
        if (msg.data.length == 2) {
            assembly ("memory-safe") {
                mstore(0, and(sload(shr(240, calldataload(0))), not(PAUSED)))
                return(0, 32)
            }
        }
        if (msg.data.length != 3 || uint8(msg.data[2]) > 1) revert UnknownFunction();
        uint256 word = heldAt(uint16(bytes2(msg.data)), uint8(msg.data[2]));
        assembly ("memory-safe") {
            mstore(0, word)
            return(0, 32)
        }
    }

    /// @inheritdoc IPriceStore
    function slotAt(uint16 index) external view returns (uint256) {
        return _slot(index) & ~PAUSED;
    }

    /// @inheritdoc IPriceStore
    function heldAt(uint16 index, uint8 field) public view returns (uint256) {
        return _slot(index) & (MARKET_HELD >> field) == 0 ? 0 : held[field * FIELD + index];
    }

    /// @inheritdoc IPriceStore
    function paused(uint16 index) external view returns (bool) {
        return slots[index] & PAUSED != 0;
    }

    /// @inheritdoc IPriceStore
    function indexOf(bytes32 id) public view returns (uint16) {
        uint256 plusOne = indexPlusOne[id];
        if (plusOne == 0) revert UnknownFeed(id);
        return uint16(plusOne - 1);
    }

    /// @inheritdoc IPriceStore
    function idAt(uint16 index) external view returns (bytes32) {
        bytes32[] storage members = ids[index >> CLASS_SHIFT];
        if (index & IN_CLASS >= members.length) revert UnknownIndex(index);
        return members[index & IN_CLASS];
    }

    /// @inheritdoc IPriceStore
    function count() external view returns (uint256 total) {
        for (uint256 i; i < CLASSES; ++i) total += ids[i].length;
    }

    /// @inheritdoc IPriceStore
    function feedAt(uint256 position) external view returns (bytes32 id, uint16 index) {
        uint256 left = position;
        for (uint256 i; i < CLASSES; ++i) {
            uint256 length = ids[i].length;
            if (left < length) return (ids[i][left], uint16((i << CLASS_SHIFT) | left));
            left -= length;
        }
        revert UnknownIndex(position);
    }

    /// @inheritdoc IPriceStore
    function presence(uint16 index) external view returns (bool hasMarket, bool hasRedemption) {
        uint256 word = slots[index];
        if (word == 0) revert UnknownIndex(index);
        return (word & MARKET != 0, word & REDEMPTION != 0);
    }

    /// @inheritdoc IPriceStore
    function limitsOf(uint16 index) external view returns (Limits memory) {
        if (index >> CLASS_SHIFT >= classes) revert BadClass(index >> CLASS_SHIFT);
        uint256 packed = _limits(index);
        return Limits({minGapS: uint16(packed), stepBps: uint16(packed >> 16), stepWaitS: uint32(_wait(index))});
    }

    // ------------------------------------------------------------------------------------------------------- roles

    /// @notice Add a token. Its index, which prices it has and its class are fixed for good.
    /// @param id BASE/QUOTE[@chain][#variant], printable ASCII, left-aligned, at most 31 bytes
    /// @param class index of its limits in the constructor's list
    function register(bytes32 id, bool hasMarket, bool hasRedemption, uint8 class)
        external
        onlyOwner
        returns (uint16 index)
    {
        if (!_isId(id) || indexPlusOne[id] != 0) revert BadId(id);
        if (class >= classes || ids[class].length > IN_CLASS) revert BadClass(class);
        index = uint16((uint256(class) << CLASS_SHIFT) | ids[class].length);
        if (!hasMarket && !hasRedemption) revert WrongPresence(index);
        ids[class].push(id);
        indexPlusOne[id] = uint256(index) + 1;
        slots[index] = (hasMarket ? HAS_MARKET : 0) | (hasRedemption ? HAS_REDEMPTION : 0);
        emit Registered(id, index, hasMarket, hasRedemption);
    }

    /// @notice Pause tokens: they are not written and reads return halt. Guardian or owner.
    function pause(uint16[] calldata indexes) external onlyGuardian {
        for (uint256 i; i < indexes.length; ++i) {
            uint16 index = indexes[i];
            uint256 word = slots[index];
            if (word == 0) revert UnknownIndex(index);
            slots[index] = (word & ~uint256(0x0f << 56)) | PAUSED | (HALT << 56);
            emit Paused(index, msg.sender);
        }
    }

    /// @notice Resume tokens. Each stays in halt until its next round; a wait from before the pause begins anew.
    function resume(uint16[] calldata indexes) external onlyOwner {
        for (uint256 i; i < indexes.length; ++i) {
            uint16 index = indexes[i];
            uint256 word = slots[index];
            if (word & PAUSED != 0) _endWaits(index, word);
            slots[index] = word & ~PAUSED;
            emit Resumed(index);
        }
    }

    // ----------------------------------------------------------------------------------------------------- helpers

    /// @dev During a pause no write could have ended the wait. `trueAt` of the stored prices is kept.
    function _endWaits(uint256 index, uint256 word) private {
        if (word & MARKET_HELD != 0) held[index] &= LOW_32;
        if (word & REDEMPTION_HELD != 0) held[FIELD + index] &= LOW_32;
    }

    /// @dev In assembly to skip the bounds check, which 16 bits make redundant.
    function _slot(uint16 index) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(index)
        }
    }

    /// @dev All classes, the first in the low bits: stepBps 16 | minGapS 16.
    function _allLimits() internal view returns (uint256) {
        return limits;
    }

    /// @dev minGapS in the low 16 bits, stepBps in the 16 above; the bits above those belong to other classes.
    function _limits(uint256 index) internal view returns (uint256 packed) {
        return limits >> ((index >> CLASS_SHIFT) << 5);
    }

    /// @dev stepWaitS of an index: how long a price beyond the step must last.
    function _wait(uint256 index) internal view returns (uint256) {
        return uint32(waits >> ((index >> CLASS_SHIFT) << 5));
    }

    /// @dev Printable ASCII without spaces, then zeros; the last byte is always zero.
    function _isId(bytes32 id) private pure returns (bool) {
        bool ended;
        for (uint256 i; i < 32; ++i) {
            bytes1 c = id[i];
            if (c == 0) ended = true;
            else if (ended || i == 31 || c < 0x21 || c > 0x7e) return false;
        }
        return id[0] != 0;
    }
}
