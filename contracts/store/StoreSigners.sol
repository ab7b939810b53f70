// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {activeAtOf, memberAt, readSigners, stepThresholdOf, thresholdOf, writeSigners} from "./SignerBlob.sol";
import {StoreSignatures} from "./StoreSignatures.sol";

/// @title Whose signatures count: k of n by weight, in epochs that end by time alone
/// @dev A round belongs to the set in force at its roundTime. When that changes is written down before it does, in the word
///      that each push reads; that storage moves on afterwards changes nothing.
abstract contract StoreSigners is StoreSignatures {
    uint256 internal constant MAX_AHEAD_S = 30;
    uint256 private constant LOW_96 = type(uint96).max;
    uint256 private constant LOW_216 = (1 << 216) - 1;
    uint256 private constant EMERGENCY = 1 << 216;
    uint256 private constant TIME_AT = 217;
    uint256 private constant NEVER = (1 << 39) - 1;

    /// @notice Seconds from a change of signers to the moment from which it counts.
    uint256 public immutable rotationDelayS;
    /// @notice Seconds for which rounds from before that moment are still taken of the set before; not after an emergency.
    uint256 public immutable overlapS;

    /// @dev Each: time 39 | emergency 1 | count 8 | epoch 48 | blob 160. The time is, of `set`, when the next one takes over
    ///      (all ones: nobody is known to); of `previousSet`, when it ended; of `nextSet`, its activeAt. The bit says that
    ///      the set at whose end that is has no overlap. Thresholds, addresses and weights are in the code of `blob`.
    uint256 private set;
    uint256 private previousSet;
    uint256 private nextSet;

    /// @notice Rounds from `activeAt` on are this epoch's, if it is armed before or was declared in an emergency.
    event SignersSet(
        uint48 indexed epoch,
        uint96 threshold,
        uint96 stepThreshold,
        address[] signers,
        uint96[] weights,
        uint256 activeAt
    );
    /// @notice This epoch takes over at `activeAt`: enough of its signers have shown that they are there.
    event Armed(uint48 indexed epoch, uint256 activeAt);
    /// @notice This epoch takes over at `activeAt` in any case, and without an overlap: the keys before it are not trusted.
    event Emergency(uint48 indexed epoch, uint256 activeAt);
    /// @notice Storage has moved on to this epoch, which was in force before; rounds of the one before are taken until
    ///         `overlapEnds`.
    event EpochStarted(uint48 indexed epoch, uint256 overlapEnds);
    /// @notice Signers at these indexes have no weight any more in this epoch; one that is to come is armed no more.
    event SignersRemoved(uint48 indexed epoch, uint8[] indexes);

    constructor(
        uint256 rotationDelayS_,
        uint256 overlapS_,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) {
        if (rotationDelayS_ > 30 days || overlapS_ > 1 days) revert BadSettings();
        if (rotationDelayS_ != 0 && rotationDelayS_ <= MAX_AHEAD_S) revert BadSettings();
        (rotationDelayS, overlapS) = (rotationDelayS_, overlapS_);
        set = _pack(1, 0, signers, weights, threshold, stepThreshold) | (NEVER << TIME_AT);
        emit SignersSet(1, threshold, stepThreshold, signers, weights, block.timestamp);
        emit EpochStarted(1, 0);
    }

    // ------------------------------------------------------------------------------------------------------- change

    /// @notice Replace the signers after `rotationDelayS`, if they are armed by then; what was set before and is not in
    ///         force yet is forgotten.
    /// @param signers addresses of the operators' report keys
    /// @param weights their stake weights, in the same order
    /// @param threshold weight that a batch needs, more than half of the total
    /// @param stepThreshold weight with which a price may move by any step, at least the threshold
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint96 threshold, uint96 stepThreshold)
        external
    {
        _moveOn();
        if (msg.sender != owner && (msg.sender != setOwner || set & EMERGENCY != 0)) revert NotSetOwner(msg.sender);
        _follow(0, signers, weights, threshold, stepThreshold);
    }

    /// @notice Replace signers whose keys are not to be trusted: after `rotationDelayS`, armed or not, without an overlap.
    ///         Pause the tokens until then.
    function setSignersInEmergency(
        address[] calldata signers,
        uint96[] calldata weights,
        uint96 threshold,
        uint96 stepThreshold
    ) external onlyOwner {
        _moveOn();
        emit Emergency(_follow(EMERGENCY, signers, weights, threshold, stepThreshold), block.timestamp + rotationDelayS);
    }

    /// @notice Show that the next set's keys are there, so that it takes over at its time. Anybody may carry it.
    /// @param signatures of `armDigest`, with at least the threshold's weight of the next set, ascending by signer
    function arm(bytes calldata signatures) external {
        uint256 next = nextSet;
        bytes32 digest_ = armDigest();
        _checkKind(0, signatures);
        _weigh(next, digest_, signatures);
        set = (set & LOW_216) | ((next >> TIME_AT) << TIME_AT);
        emit Armed(uint48(next >> 160), next >> TIME_AT);
    }

    /// @notice Take the weight of some signers at once, in the epoch that they are in. Thresholds stay, so that any two
    ///         batches still have a signer in common. Whoever armed the next set may be the ones who lose it: it must be
    ///         armed anew.
    /// @param epoch present, next, or the one before
    /// @param indexes of the signers in that set
    function removeSigners(uint48 epoch, uint8[] calldata indexes) external {
        if (msg.sender != setOwner && msg.sender != owner) revert NotSetOwner(msg.sender);
        _moveOn();
        if (epoch == _epochOf(set)) set = _without(set, indexes);
        else if (epoch != 0 && epoch == _epochOf(nextSet)) _removeFromNext(indexes);
        else if (epoch != 0 && epoch == _epochOf(previousSet)) previousSet = _without(previousSet, indexes);
        else revert WrongEpoch(epoch, _epochOf(set));
        emit SignersRemoved(epoch, indexes);
    }

    /// @dev Known ends are never taken back within 30 s: rounds of either set could be signed for that time already.
    function _removeFromNext(uint8[] calldata indexes) private {
        uint256 next = nextSet;
        nextSet = _without(next, indexes);
        uint256 current = set;
        uint256 ends = current >> TIME_AT;
        if (ends == NEVER || current & EMERGENCY != 0 || indexes.length == 0) return;
        if (block.timestamp + MAX_AHEAD_S >= ends) revert TooLate(ends);
        set = current | (NEVER << TIME_AT);
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @notice Who is in force now: whoever makes a batch now signs for this epoch.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights)
    {
        (epoch, threshold,, signers, weights) = _unpack(_inForce());
    }

    /// @notice The set that is to come and from when; epoch 0 if none is. It comes only if it is `armed` by then.
    function nextSigners() external view returns (uint48 epoch, uint256 activeAt) {
        uint256 next = nextSet;
        return block.timestamp >= next >> TIME_AT ? (0, 0) : (_epochOf(next), next >> TIME_AT);
    }

    /// @notice Whether the set that is to come takes over for certain.
    function armed() external view returns (bool) {
        uint256 ends = set >> TIME_AT;
        return ends != NEVER && block.timestamp < ends;
    }

    /// @notice What the next set's signers sign to arm it: EIP-712, `Arm(uint48 epoch,bytes32 set)`. Reverts where nothing
    ///         waits for it.
    function armDigest() public view returns (bytes32) {
        uint256 next = nextSet;
        // later, rounds of the present set that lie ahead and beyond activeAt could have been taken already
        if (set >> TIME_AT != NEVER || block.timestamp + MAX_AHEAD_S >= next >> TIME_AT) revert NothingToArm();
        return _armDigest(next);
    }

    /// @notice Both thresholds of the epoch that is in force now.
    function thresholds() external view returns (uint256 threshold, uint256 stepThreshold) {
        (, threshold, stepThreshold,,) = _unpack(_inForce());
    }

    /// @notice Until when rounds of the epoch before the one in `signerSet` are taken, those from before it began; 0 if there
    ///         was none. Older ones than maxPushAgeS are not taken either, so a longer overlapS means no more than that.
    function overlapEnds() external view returns (uint256) {
        uint256 before = _isOver() ? set : previousSet;
        return before == 0 ? 0 : _overlapEnds(before);
    }

    // ------------------------------------------------------------------------------------------------------- check

    /// @dev Reverts unless the epoch was in force at roundTime and is taken now, and signers of enough weight signed.
    /// @return words the set in memory, for its other threshold
    /// @return weight of all who signed
    function _check(uint256 epoch, uint256 roundTime, bytes32 digest_, bytes calldata signatures)
        internal
        returns (uint256 words, uint256 weight)
    {
        uint256 found = set;
        uint256 ends = found >> TIME_AT;
        if (epoch != _epochOf(found) || block.timestamp >= ends || roundTime >= ends) {
            found = _other(found, epoch, roundTime);
        }
        (words, weight) = _weigh(found, digest_, signatures);
        if (roundTime < activeAtOf(words)) revert WrongEpoch(epoch, _epochOf(set));
    }

    /// @dev The set of an epoch that is not simply the one in storage: it took over, or was before, or reverts.
    function _other(uint256 current, uint256 epoch, uint256 roundTime) private returns (uint256) {
        uint256 before = previousSet;
        if (block.timestamp >= current >> TIME_AT) {
            (before, current) = (current, nextSet);
            if (epoch == _epochOf(current)) {
                _moveOn();
                return current;
            }
        }
        bool was = epoch == _epochOf(before) && roundTime < before >> TIME_AT;
        if (!was || block.timestamp >= _overlapEnds(before)) revert WrongEpoch(epoch, _epochOf(current));
        return before;
    }

    /// @dev Storage follows what time has done.
    function _moveOn() private {
        if (!_isOver()) return;
        uint256 next = nextSet;
        (previousSet, set, nextSet) = (set, (next & LOW_216) | (NEVER << TIME_AT), 0);
        emit EpochStarted(_epochOf(next), _overlapEnds(previousSet));
    }

    function _isOver() private view returns (bool) {
        return block.timestamp >= set >> TIME_AT;
    }

    function _inForce() private view returns (uint256) {
        return _isOver() ? nextSet : set;
    }

    function _overlapEnds(uint256 before) private view returns (uint256) {
        return (before >> TIME_AT) + (before & EMERGENCY == 0 ? overlapS : 0);
    }

    function _epochOf(uint256 packed) private pure returns (uint48) {
        return uint48(packed >> 160);
    }

    // --------------------------------------------------------------------------------------------------------- sets

    /// @dev Write down who comes next. Known to come are: anybody without a delay, and whoever replaces keys that are not
    ///      trusted.
    function _follow(
        uint256 emergency,
        address[] calldata signers,
        uint96[] calldata weights,
        uint96 threshold,
        uint96 stepThreshold
    ) private returns (uint48 epoch) {
        epoch = _epochOf(set) + 1;
        uint256 activeAt = block.timestamp + rotationDelayS;
        nextSet = _pack(epoch, activeAt, signers, weights, threshold, stepThreshold) | (activeAt << TIME_AT) | emergency;
        bool comes = emergency != 0 || rotationDelayS == 0;
        set = (set & LOW_216) | ((comes ? activeAt : NEVER) << TIME_AT) | emergency;
        emit SignersSet(epoch, threshold, stepThreshold, signers, weights, activeAt);
        _moveOn();
    }

    /// @dev The threshold is more than half of the weight, so that any two batches have a signer in common. With less,
    ///      two halves could each sign another price for the same round, and the one that lands first would stand; now
    ///      somebody has signed both, which proves who it was.
    function _pack(
        uint48 epoch,
        uint256 activeAt,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) private returns (uint256) {
        uint256[] memory members = _members(signers, weights);
        uint256 total = _total(members);
        if (threshold > total || uint256(threshold) * 2 <= total) revert BadThreshold(threshold, total);
        if (stepThreshold > total || stepThreshold < threshold) revert BadThreshold(stepThreshold, total);
        uint256 head = (activeAt << 192) | (uint256(stepThreshold) << 96) | threshold;
        return (members.length << 208) | (uint256(epoch) << 160) | _written(head, members);
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

    /// @dev A set's word with the weights at these indexes taken.
    function _without(uint256 packed, uint8[] calldata indexes) private returns (uint256) {
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
        uint256 head = (activeAtOf(words) << 192) | (stepThresholdOf(words) << 96) | thresholdOf(words);
        return ((packed >> 160) << 160) | _written(head, members);
    }

    function _total(uint256[] memory members) private pure returns (uint256 total) {
        for (uint256 i; i < members.length; ++i) total += members[i] & LOW_96;
    }

    function _written(uint256 head, uint256[] memory members) private returns (uint160) {
        address blob = writeSigners(head, members);
        if (blob == address(0)) revert BadSettings();
        return uint160(blob);
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
