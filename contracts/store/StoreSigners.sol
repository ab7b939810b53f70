// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {
    activeAtOf,
    headOf,
    lastRoundOf,
    memberAt,
    readSigners,
    stepThresholdOf,
    thresholdOf,
    writeSigners
} from "./SignerSetCode.sol";
import {StoreSignatures} from "./StoreSignatures.sol";

/// @title Signer sets: k of n by weight, in epochs that end by time alone
/// @dev A round belongs to the set in force at its roundTime. The time of a change is stored before it comes, in the word
///      that each push reads; when storage advances afterwards makes no difference. When a set expires is in its own code,
///      written when it was named: no call prolongs it.
abstract contract StoreSigners is StoreSignatures {
    uint256 internal constant MAX_AHEAD_S = 30;
    uint256 private constant LOW_96 = type(uint96).max;
    uint256 private constant LOW_216 = (1 << 216) - 1;
    uint256 private constant EMERGENCY = 1 << 216;
    uint256 private constant TIME_AT = 217;
    uint256 private constant NEVER = (1 << 39) - 1;
    uint256 private constant LAST_TIME = type(uint32).max;
    uint256 private constant LEAST_TURN_S = 1 hours;

    /// @notice Seconds from `setSigners` until the next set takes over.
    uint256 public immutable rotationDelayS;
    /// @notice Seconds for which rounds from before that moment are still accepted from the previous set; 0 in an emergency.
    uint256 public immutable overlapS;
    /// @notice For how many seconds from its start a set may sign rounds; 0: until another takes over, however long.
    uint256 public immutable longestEpochS;

    /// @dev Each: time 39 | emergency 1 | count 8 | epoch 48 | pointer 160. The time of `set` is when the next set takes over
    ///      (all ones: not known); of `previousSet`, when it ended; of `nextSet`, its activeAt. The emergency bit means that
    ///      the set that ends then has no overlap. Thresholds, addresses and weights are in the code at `pointer`.
    uint256 private set;
    uint256 private previousSet;
    uint256 private nextSet;

    /// @notice Rounds from `activeAt` on belong to this epoch, if it is armed before then or was set in an emergency.
    event SignersSet(
        uint48 indexed epoch,
        uint96 threshold,
        uint96 stepThreshold,
        address[] signers,
        uint96[] weights,
        uint256 activeAt
    );
    /// @notice This epoch takes over at `activeAt`: signers of its threshold's weight have shown that they hold their keys.
    event Armed(uint48 indexed epoch, uint256 activeAt);
    /// @notice This epoch takes over at `activeAt`, armed or not and without an overlap: the present keys are not trusted.
    event Emergency(uint48 indexed epoch, uint256 activeAt);
    /// @notice Storage has advanced to this epoch, which may have been in force for a while; rounds of the one before are
    ///         accepted until `overlapEnds`.
    event EpochStarted(uint48 indexed epoch, uint256 overlapEnds);
    /// @notice Signers at these indexes have no weight any more in this epoch; a next epoch is no longer armed.
    event SignersRemoved(uint48 indexed epoch, uint8[] indexes);

    constructor(
        uint256 rotationDelayS_,
        uint256 overlapS_,
        uint256 longestEpochS_,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) {
        if (rotationDelayS_ > 30 days || overlapS_ > 1 days) revert BadSettings();
        if (rotationDelayS_ != 0 && rotationDelayS_ <= MAX_AHEAD_S) revert BadSettings();
        // who follows must have the time to be named and armed
        bool tooShort = longestEpochS_ < rotationDelayS_ + LEAST_TURN_S;
        if (longestEpochS_ != 0 && (tooShort || longestEpochS_ > 365 days)) revert BadSettings();
        (rotationDelayS, overlapS, longestEpochS) = (rotationDelayS_, overlapS_, longestEpochS_);
        uint256 lastRound = _lastRound(block.timestamp, longestEpochS_);
        set = _pack(1, lastRound << 32, signers, weights, threshold, stepThreshold) | (NEVER << TIME_AT);
        emit SignersSet(1, threshold, stepThreshold, signers, weights, block.timestamp);
        emit EpochStarted(1, 0);
    }

    // ------------------------------------------------------------------------------------------------------- change

    /// @notice Replace the signers after `rotationDelayS`, if the new set is armed by then; a set that was scheduled before
    ///         and is not in force yet is dropped.
    /// @param signers addresses of the operators' report keys
    /// @param weights their stake weights, in the same order
    /// @param threshold weight that a batch needs, more than half of the total
    /// @param stepThreshold weight with which a price may move by any step, at least the threshold
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint96 threshold, uint96 stepThreshold)
        external
    {
        _advanceEpoch();
        if (msg.sender != owner && (msg.sender != setOwner || set & EMERGENCY != 0)) revert NotSetOwner(msg.sender);
        _schedule(0, signers, weights, threshold, stepThreshold);
    }

    /// @notice Replace signers whose keys are compromised: after `rotationDelayS`, armed or not, without an overlap.
    ///         Pause the tokens until then.
    function setSignersInEmergency(
        address[] calldata signers,
        uint96[] calldata weights,
        uint96 threshold,
        uint96 stepThreshold
    ) external onlyOwner {
        _advanceEpoch();
        emit Emergency(_schedule(EMERGENCY, signers, weights, threshold, stepThreshold), block.timestamp + rotationDelayS);
    }

    /// @notice Show that the next set's keys are available, so that it takes over on time. Anybody may submit it.
    /// @param signatures of `armDigest`, with at least the threshold's weight of the next set, ascending by signer
    function arm(bytes calldata signatures) external {
        uint256 next = nextSet;
        bytes32 digest_ = armDigest();
        _checkKind(0, signatures);
        _verifyWeight(next, digest_, signatures);
        set = (set & LOW_216) | ((next >> TIME_AT) << TIME_AT);
        emit Armed(uint48(next >> 160), next >> TIME_AT);
    }

    /// @notice Set the weight of some signers to 0 at once, in the epoch that they are in. Thresholds stay, so that any two
    ///         batches still share a signer. A next set that was armed must be armed again: those who armed it may be the
    ///         ones removed.
    /// @param epoch the present, next or previous one
    /// @param indexes of the signers in that set
    function removeSigners(uint48 epoch, uint8[] calldata indexes) external {
        if (msg.sender != setOwner && msg.sender != owner) revert NotSetOwner(msg.sender);
        _advanceEpoch();
        if (epoch == _epochOf(set)) set = _withoutWeight(set, indexes);
        else if (epoch != 0 && epoch == _epochOf(nextSet)) _removeFromNext(indexes);
        else if (epoch != 0 && epoch == _epochOf(previousSet)) previousSet = _withoutWeight(previousSet, indexes);
        else revert WrongEpoch(epoch, _epochOf(set));
        emit SignersRemoved(epoch, indexes);
    }

    /// @dev A known end is never taken back within 30 s of it: rounds of either set may already be signed for that time.
    function _removeFromNext(uint8[] calldata indexes) private {
        uint256 next = nextSet;
        nextSet = _withoutWeight(next, indexes);
        uint256 current = set;
        uint256 ends = current >> TIME_AT;
        if (ends == NEVER || current & EMERGENCY != 0 || indexes.length == 0) return;
        if (block.timestamp + MAX_AHEAD_S >= ends) revert TooLate(ends);
        set = current | (NEVER << TIME_AT);
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @notice The set in force now: batches made now are signed for this epoch, before it `expiresAt`.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights)
    {
        (epoch, threshold,, signers, weights) = _unpack(_setInForce());
    }

    /// @notice Epoch and start of the next set; epoch 0 if there is none. It takes over only if it is `armed` by then.
    function nextSigners() external view returns (uint48 epoch, uint256 activeAt) {
        uint256 next = nextSet;
        return block.timestamp >= next >> TIME_AT ? (0, 0) : (_epochOf(next), next >> TIME_AT);
    }

    /// @notice Whether the next set is certain to take over.
    function armed() external view returns (bool) {
        uint256 ends = set >> TIME_AT;
        return ends != NEVER && block.timestamp < ends;
    }

    /// @notice What the next set's signers sign to arm it: EIP-712, `Arm(uint48 epoch,bytes32 set)`. Reverts if there is
    ///         nothing to arm.
    function armDigest() public view returns (bytes32) {
        uint256 next = nextSet;
        // later, rounds of the present set beyond activeAt (they may lie 30 s ahead) could already have been accepted
        if (set >> TIME_AT != NEVER || block.timestamp + MAX_AHEAD_S >= next >> TIME_AT) revert NothingToArm();
        return _armDigest(next);
    }

    /// @notice Both thresholds of the epoch in force now.
    function thresholds() external view returns (uint256 threshold, uint256 stepThreshold) {
        (, threshold, stepThreshold,,) = _unpack(_setInForce());
    }

    /// @notice The first roundTime that the set in force may not sign any more, other than by the start of the next one;
    ///         `type(uint256).max` if there is none. From then on nothing is accepted until another set takes over.
    function expiresAt() external view returns (uint256) {
        return _expiresAt(readSigners(address(uint160(_setInForce())), 0));
    }

    /// @notice Until when rounds of the epoch before the one in `signerSet` are accepted, if their roundTime is before its
    ///         start; 0 if there was none. A batch older than maxPushAgeS is refused anyway, so a longer overlapS adds nothing.
    function overlapEnds() external view returns (uint256) {
        uint256 before = _hasEnded() ? set : previousSet;
        return before == 0 ? 0 : _overlapEnds(before);
    }

    // ------------------------------------------------------------------------------------------------------- check

    /// @dev Reverts unless the epoch was in force at roundTime and is accepted now, and signers of enough weight signed.
    /// @return words the set in memory, for its step threshold
    /// @return weight of all who signed
    function _checkSignatures(uint256 epoch, uint256 roundTime, bytes32 digest_, bytes calldata signatures)
        internal
        returns (uint256 words, uint256 weight)
    {
        uint256 packed = set;
        uint256 ends = packed >> TIME_AT;
        if (epoch != _epochOf(packed) || block.timestamp >= ends || roundTime >= ends) {
            packed = _setOfOtherEpoch(packed, epoch, roundTime);
        }
        (words, weight) = _verifyWeight(packed, digest_, signatures);
        if (roundTime < activeAtOf(words)) revert WrongEpoch(epoch, _epochOf(set));
        if (roundTime > lastRoundOf(words)) revert Expired(roundTime, _expiresAt(words));
    }

    /// @dev The set of an epoch other than the one in storage: it has taken over since, or it is the one before; else reverts.
    function _setOfOtherEpoch(uint256 current, uint256 epoch, uint256 roundTime) private returns (uint256) {
        uint256 before = previousSet;
        if (block.timestamp >= current >> TIME_AT) {
            (before, current) = (current, nextSet);
            if (epoch == _epochOf(current)) {
                _advanceEpoch();
                return current;
            }
        }
        bool isBefore = epoch == _epochOf(before) && roundTime < before >> TIME_AT;
        if (!isBefore || block.timestamp >= _overlapEnds(before)) revert WrongEpoch(epoch, _epochOf(current));
        return before;
    }

    /// @dev Let storage follow an end that has passed.
    function _advanceEpoch() private {
        if (!_hasEnded()) return;
        uint256 next = nextSet;
        (previousSet, set, nextSet) = (set, (next & LOW_216) | (NEVER << TIME_AT), 0);
        emit EpochStarted(_epochOf(next), _overlapEnds(previousSet));
    }

    function _hasEnded() private view returns (bool) {
        return block.timestamp >= set >> TIME_AT;
    }

    function _setInForce() private view returns (uint256) {
        return _hasEnded() ? nextSet : set;
    }

    function _overlapEnds(uint256 before) private view returns (uint256) {
        return (before >> TIME_AT) + (before & EMERGENCY == 0 ? overlapS : 0);
    }

    function _expiresAt(uint256 words) private pure returns (uint256) {
        uint256 lastRound = lastRoundOf(words);
        return lastRound == LAST_TIME ? type(uint256).max : lastRound + 1;
    }

    function _epochOf(uint256 packed) private pure returns (uint48) {
        return uint48(packed >> 160);
    }

    // --------------------------------------------------------------------------------------------------------- sets

    /// @dev Store the next set. Its start is certain at once without a delay, or if it replaces compromised keys.
    function _schedule(
        uint256 emergency,
        address[] calldata signers,
        uint96[] calldata weights,
        uint96 threshold,
        uint96 stepThreshold
    ) private returns (uint48 epoch) {
        epoch = _epochOf(set) + 1;
        uint256 activeAt = block.timestamp + rotationDelayS;
        if (activeAt > LAST_TIME) revert BadSettings();
        uint256 times = (_lastRound(activeAt, longestEpochS) << 32) | activeAt;
        nextSet = _pack(epoch, times, signers, weights, threshold, stepThreshold) | (activeAt << TIME_AT) | emergency;
        bool certain = emergency != 0 || rotationDelayS == 0;
        set = (set & LOW_216) | ((certain ? activeAt : NEVER) << TIME_AT) | emergency;
        emit SignersSet(epoch, threshold, stepThreshold, signers, weights, activeAt);
        _advanceEpoch();
    }

    /// @dev Last roundTime of a set that starts then; all ones if none is too late.
    function _lastRound(uint256 start, uint256 longestEpochS_) private pure returns (uint256) {
        uint256 last = start + longestEpochS_ - 1;
        return longestEpochS_ == 0 || last > LAST_TIME ? LAST_TIME : last;
    }

    /// @dev The threshold is more than half of the weight, so that any two batches share a signer. With less,
    ///      two halves could each sign a different price for the same round, and the first to land would win; this
    ///      way at least one signer has signed both, which is provable.
    /// @param times lastRound 32 | activeAt 32
    function _pack(
        uint48 epoch,
        uint256 times,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) private returns (uint256) {
        uint256[] memory members = _members(signers, weights);
        uint256 total = _total(members);
        if (threshold > total || uint256(threshold) * 2 <= total) revert BadThreshold(threshold, total);
        if (stepThreshold > total || stepThreshold < threshold) revert BadThreshold(stepThreshold, total);
        uint256 head = (times << 192) | (uint256(stepThreshold) << 96) | threshold;
        return (members.length << 208) | (uint256(epoch) << 160) | _storeMembers(head, members);
    }

    function _members(address[] memory signers, uint96[] memory weights) private pure returns (uint256[] memory members) {
        uint256 count_ = signers.length;
        if (count_ == 0 || count_ > 255 || weights.length != count_) revert BadSettings();
        members = new uint256[](count_);
        for (uint256 i; i < count_; ++i) {
            address signer = signers[i];
            if (signer == address(0) || weights[i] == 0) revert BadSigner(i);
            for (uint256 j; j < i; ++j) {
                if (signers[j] == signer) revert BadSigner(i);
            }
            members[i] = (uint256(uint160(signer)) << 96) | weights[i];
        }
    }

    /// @dev The word of a set with the weights at these indexes set to 0.
    function _withoutWeight(uint256 packed, uint8[] calldata indexes) private returns (uint256) {
        uint256 count_ = uint8(packed >> 208);
        uint256 words = readSigners(address(uint160(packed)), count_);
        uint256[] memory members = new uint256[](count_);
        for (uint256 i; i < count_; ++i) members[i] = memberAt(words, i);
        for (uint256 i; i < indexes.length; ++i) {
            uint256 index = indexes[i];
            if (index >= count_ || members[index] & LOW_96 == 0) revert BadSigner(index);
            members[index] &= ~LOW_96;
        }
        if (_total(members) < thresholdOf(words)) revert BadThreshold(thresholdOf(words), _total(members));
        return ((packed >> 160) << 160) | _storeMembers(headOf(words), members);
    }

    function _total(uint256[] memory members) private pure returns (uint256 total) {
        for (uint256 i; i < members.length; ++i) total += members[i] & LOW_96;
    }

    function _storeMembers(uint256 head, uint256[] memory members) private returns (uint160) {
        address pointer = writeSigners(head, members);
        if (pointer == address(0)) revert BadSettings();
        return uint160(pointer);
    }

    function _unpack(uint256 packed)
        private
        view
        returns (
            uint48 epoch,
            uint256 threshold,
            uint256 stepThreshold,
            address[] memory signers,
            uint96[] memory weights
        )
    {
        uint256 count_ = uint8(packed >> 208);
        uint256 words = readSigners(address(uint160(packed)), count_);
        signers = new address[](count_);
        weights = new uint96[](count_);
        for (uint256 i; i < count_; ++i) {
            uint256 member = memberAt(words, i);
            signers[i] = address(uint160(member >> 96));
            weights[i] = uint96(member);
        }
        return (uint48(packed >> 160), thresholdOf(words), stepThresholdOf(words), signers, weights);
    }
}
