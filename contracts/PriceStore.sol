// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {stepThresholdOf} from "./store/SignerSetCode.sol";
import {StoreFeeds} from "./store/StoreFeeds.sol";
import {StoreItems} from "./store/StoreItems.sol";
import {StoreRoles} from "./store/StoreRoles.sol";
import {StoreSigners} from "./store/StoreSigners.sol";

/// @title PriceStore: market price and redemption rate of many tokens, signed by k of n operators
/// @notice Anyone may push: authority lies in the signatures. One slot a token, one digest a batch.
/// @dev Batch, big endian: epoch 6 | roundTime 4 | items of 30 bytes each.
///      Item: index 2 | market 11 | redemption 11 | spreadBps 2 | status 1 | marketAgeS 2 | redemptionAgeH 1; the status is
///      reason 4 | statusOnly 1 | state 3; statusOnly marks prices of an earlier round that were not observed again.
///      Slot: the item's 28 bytes after the index, shifted left by 32 bits, with roundTime in the low 32 bits; so a
///      write is one shift.
contract PriceStore is StoreSigners, StoreItems {
    uint256 private constant ITEM = 30;

    /// @notice Roles and delays, fixed in the constructor.
    /// @param owner registers tokens and sets signers; a timelock or a multi-signature wallet
    /// @param guardian may pause; zero for none
    /// @param maxPushAgeS 1 to 3600
    /// @param rotationDelayS 0 to 30 days
    /// @param overlapS 0 to 1 day
    /// @param longestEpochS 0 for no limit, else at least rotationDelayS + 1 hour and at most 365 days
    struct Settings {
        address owner;
        address guardian;
        uint256 maxPushAgeS;
        uint256 rotationDelayS;
        uint256 overlapS;
        uint256 longestEpochS;
    }

    /// @notice For how many seconds after its roundTime a batch is accepted.
    uint256 public immutable maxPushAgeS;

    /// @dev The roundTime pushed in this transaction; transient storage, cleared when the transaction ends.
    uint256 private transient roundOfTransaction;

    /// @notice A batch was accepted: its digest, its roundTime, and how many of its items were written.
    event Pushed(bytes32 indexed digest, uint32 roundTime, uint256 written);

    /// @param settings roles and delays
    /// @param classes limits that a token can be bound to, 1 to 8
    /// @param signers addresses of the operators' report keys
    /// @param weights their stake weights, in the same order
    /// @param threshold weight that a batch needs, more than half of the total
    /// @param stepThreshold weight with which a price may move by any step
    constructor(
        Settings memory settings,
        Limits[] memory classes,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    )
        StoreRoles(settings.owner, settings.guardian)
        StoreFeeds(classes)
        StoreSigners(
            settings.rotationDelayS,
            settings.overlapS,
            settings.longestEpochS,
            signers,
            weights,
            threshold,
            stepThreshold
        )
    {
        if (settings.maxPushAgeS == 0 || settings.maxPushAgeS > 3600) revert BadSettings();
        maxPushAgeS = settings.maxPushAgeS;
    }

    /// @notice Write a batch. An item is skipped if it is not newer than the stored one, if its token is paused, or if it
    ///         would end a halt inside a gap; if every item is skipped, the call reverts. An item of the stored round
    ///         itself, signed by the step threshold's weight, lands the prices that wait: landing the batch earlier with
    ///         fewer signatures delays nothing. A price beyond the step is held; a price that was not observed again
    ///         leaves the stored one in place.
    /// @param batch epoch, roundTime and items, as operators signed them
    /// @param signatures at least the threshold's weight of them, ascending by signer
    function push(bytes calldata batch, bytes calldata signatures) external {
        uint256 length = batch.length;
        if (length <= HEADER || length % ITEM != HEADER) revert BadLength(length, signatures.length);
        _checkKind(length, signatures);
        uint256 at = _offset(batch);
        uint256 roundTime = uint32(_word(at) >> 176);
        _checkTime(roundTime);
        bytes32 digest_ = _digest(batch);
        (uint256 words, uint256 weight) = _checkSignatures(_word(at) >> 208, roundTime, digest_, signatures);
        uint256 written = _write(at + HEADER, at + length, roundTime, weight, words);
        if (written == 0) revert NothingNew();
        emit Pushed(digest_, uint32(roundTime), written);
    }

    /// @dev Write the items from `at` to `end` in the calldata; returns how many were written.
    function _write(uint256 at, uint256 end, uint256 roundTime, uint256 weight, uint256 words)
        private
        returns (uint256 written)
    {
        uint256 limits = _allLimits();
        for (; at < end;) {
            uint256 index;
            uint256 old;
            uint256 fresh;
            bool plain;
            // Written in Solidity this costs some 200 gas more per item. `plain`, the steady state, means all of: the token
            // is registered and not paused, no gap is open, the state is 1 to 3 and the prices were observed, the spread
            // fits, both prices are near. `_applyLimits` checks the same conditions one by one. A first price is never near
            // the 1s that a registered slot holds. A plain write ends any hold: the held bits are 0 in an item.
            assembly ("memory-safe") {
                let item := calldataload(at) // 30 bytes of it, and 2 of what follows
                index := shr(240, item)
                old := sload(index)
                fresh := or(shl(32, shr(32, shl(16, item))), roundTime)
                let class := shr(shl(5, shr(253, item)), limits)
                let step := and(shr(16, class), 0xffff)
                // |b - a| * 10000 <= a * step, as one unsigned comparison; see StoreSlots
                let a := shr(168, old)
                let reach := mul(a, step)
                let far := gt(add(mul(sub(shr(168, fresh), a), 10000), reach), add(reach, reach))
                a := shr(168, shl(88, old))
                reach := mul(a, step)
                far := or(far, gt(add(mul(sub(shr(168, shl(88, fresh)), a), 10000), reach), add(reach, reach)))
                far := or(far, lt(roundTime, add(and(old, LOW_32), and(class, 0xffff))))
                far := or(far, gt(sub(and(shr(56, fresh), 0x0f), 1), 2))
                far := or(far, and(shr(78, fresh), 3))
                plain := iszero(or(far, or(iszero(old), and(old, PAUSED))))
                at := add(at, ITEM)
            }
            if (!plain) {
                fresh = _applyLimits(index, old, fresh, weight >= stepThresholdOf(words));
                if (fresh == 0) continue;
            }
            assembly ("memory-safe") {
                sstore(index, fresh)
                written := add(written, 1)
            }
        }
    }

    /// @dev One transaction sees one round: nobody can act between two signed prices of their choice.
    function _checkTime(uint256 roundTime) private {
        unchecked {
            if (roundTime + maxPushAgeS < block.timestamp) revert TooOld(roundTime, block.timestamp);
            if (roundTime > block.timestamp + MAX_AHEAD_S) revert TooFarAhead(roundTime, block.timestamp);
        }
        uint256 seen = roundOfTransaction;
        if (seen == 0) roundOfTransaction = roundTime;
        else if (seen != roundTime) revert SecondRound(roundTime, seen);
    }

    /// @dev Offset of bytes in the calldata.
    function _offset(bytes calldata data) private pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := data.offset
        }
    }

    /// @dev 32 bytes of calldata. The caller has checked the length.
    function _word(uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(at)
        }
    }
}
