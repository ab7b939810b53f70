// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {memberAt, readSigners, stepThresholdOf, thresholdOf, writeSigners} from "./SignerBlob.sol";
import {StoreFeeds} from "./StoreFeeds.sol";

/// @title Whose signatures count: k of n by weight, in epochs that change after a delay and overlap for a while
/// @dev What is signed: EIP-712, `Batch(uint48 epoch,uint32 roundTime,bytes items)`, bound to chain and store.
///      Signatures: signerIndex 1 | r 32 | vs 32 (EIP-2098), strictly ascending by signerIndex.
abstract contract StoreSigners is StoreFeeds {
    uint256 internal constant HEADER = 10;
    uint256 internal constant SIGNATURE = 65;
    uint256 private constant ECRECOVER = 1; // the precompile's address
    uint256 private constant LOW_216 = (1 << 216) - 1;
    bytes32 private constant BATCH = keccak256("Batch(uint48 epoch,uint32 roundTime,bytes items)");
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME = keccak256("lrt-oracle");
    bytes32 private constant VERSION = keccak256("1");

    /// @notice Seconds from a change of signers to the moment from which it counts.
    uint256 public immutable rotationDelayS;
    /// @notice Seconds for which the set before is still taken after that.
    uint256 public immutable overlapS;
    uint256 private immutable chainAtStart;
    bytes32 private immutable separatorAtStart;

    /// @dev Each: time 40 | count 8 | epoch 48 | blob 160. The time is, of `set`, when the set before it ends; of
    ///      `nextSet`, from when it counts. Thresholds, addresses and weights are in the code of `blob`.
    uint256 private set;
    uint256 private previousSet;
    uint256 private nextSet;

    /// @notice Batches of this epoch are taken from `activeAt` on.
    event SignersSet(
        uint48 indexed epoch,
        uint96 threshold,
        uint96 stepThreshold,
        address[] signers,
        uint96[] weights,
        uint256 activeAt
    );
    /// @notice This epoch is the one to sign for; the one before is taken until `overlapEnds`.
    event EpochStarted(uint48 indexed epoch, uint256 overlapEnds);

    constructor(
        uint256 rotationDelayS_,
        uint256 overlapS_,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) {
        if (rotationDelayS_ > 30 days || overlapS_ > 1 days) revert BadSettings();
        (rotationDelayS, overlapS) = (rotationDelayS_, overlapS_);
        chainAtStart = block.chainid;
        separatorAtStart = _separator();
        set = _pack(1, signers, weights, threshold, stepThreshold);
        emit SignersSet(1, threshold, stepThreshold, signers, weights, block.timestamp);
        emit EpochStarted(1, 0);
    }

    /// @notice Replace the signers after `rotationDelayS`; what was set before and does not count yet is forgotten.
    /// @param signers addresses of the operators' report keys
    /// @param weights their stake weights, in the same order
    /// @param threshold weight that a batch needs, more than half of the total
    /// @param stepThreshold weight with which a price may move by any step, at least the threshold
    function setSigners(address[] calldata signers, uint96[] calldata weights, uint96 threshold, uint96 stepThreshold)
        external
        onlyOwner
    {
        if (_isDue(nextSet)) _start();
        uint48 epoch = uint48(set >> 160) + 1;
        uint256 activeAt = block.timestamp + rotationDelayS;
        nextSet = _pack(epoch, signers, weights, threshold, stepThreshold) | (activeAt << 216);
        emit SignersSet(epoch, threshold, stepThreshold, signers, weights, activeAt);
        if (rotationDelayS == 0) _start();
    }

    /// @notice Who may sign now: whoever makes a batch now signs for this epoch.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights)
    {
        (epoch, threshold,, signers, weights) = _unpack(_isDue(nextSet) ? nextSet : set);
    }

    /// @notice The set that comes next and from when; epoch 0 if none is to come.
    function nextSigners() external view returns (uint48 epoch, uint256 activeAt) {
        uint256 next = nextSet;
        return (uint48(next >> 160), next >> 216);
    }

    /// @notice Both thresholds of the epoch for which is signed now.
    function thresholds() external view returns (uint256 threshold, uint256 stepThreshold) {
        (, threshold, stepThreshold,,) = _unpack(_isDue(nextSet) ? nextSet : set);
    }

    /// @notice Until when batches of the epoch before the one in `signerSet` are taken.
    function overlapEnds() external view returns (uint256) {
        return _isDue(nextSet) ? block.timestamp + overlapS : set >> 216;
    }

    /// @notice EIP-712 digest of a batch, as operators sign it. Nothing but the header's length is checked.
    function digest(bytes calldata batch) external view returns (bytes32) {
        if (batch.length < HEADER) revert BadLength(batch.length, 0);
        return _digest(batch);
    }

    /// @notice EIP-712 domain separator; it follows the chain through a fork.
    function domainSeparator() public view returns (bytes32) {
        return block.chainid == chainAtStart ? separatorAtStart : _separator();
    }

    // ------------------------------------------------------------------------------------------------------- check

    /// @dev Reverts unless the epoch is taken now and signers of enough weight signed the digest.
    /// @return words the set in memory, for its other threshold
    /// @return weight of all who signed
    function _check(uint256 epoch, bytes32 digest_, bytes calldata signatures)
        internal
        returns (uint256 words, uint256 weight)
    {
        uint256 found = set;
        if (epoch != uint48(found >> 160)) found = _other(epoch, found);
        uint256 count_ = uint8(found >> 208);
        words = readSigners(address(uint160(found)), count_);
        uint256 bad; // position of the first bad signature, plus one
        // Solidity's own loop and ecrecover cost some 250 gas more a signature. `vs` is v - 27 in its top bit, then s:
        // below 2^255, so in the low form but for a chance of 2^-128; a second form of a signature would be worth
        // nothing more, as roundTime stops a replay and the ascending index a double. No answer leaves the signer 0.
        assembly ("memory-safe") {
            let at := signatures.offset
            let end := add(at, signatures.length)
            let input := mload(0x40)
            let members := add(words, 32)
            let next := 0 // lowest signer index that may come: ascending, so nobody counts twice
            mstore(input, digest_)
            for {} lt(at, end) { at := add(at, SIGNATURE) } {
                let index := byte(0, calldataload(at))
                let vs := calldataload(add(at, 33))
                mstore(add(input, 32), add(27, shr(255, vs)))
                mstore(add(input, 64), calldataload(add(at, 1)))
                mstore(add(input, 96), shr(1, shl(1, vs)))
                mstore(0, 0)
                pop(staticcall(gas(), ECRECOVER, input, 128, 0, 32))
                let signer := mload(0)
                let member := mload(add(members, shl(5, index)))
                if or(or(lt(index, next), iszero(lt(index, count_))), or(iszero(signer), sub(signer, shr(96, member)))) {
                    bad := add(1, div(sub(at, signatures.offset), SIGNATURE))
                    break
                }
                weight := add(weight, shr(160, shl(160, member)))
                next := add(index, 1)
            }
        }
        if (bad != 0) revert BadSignature(bad - 1);
        if (weight < thresholdOf(words)) revert BelowThreshold(weight, thresholdOf(words));
    }

    /// @dev The set of an epoch that is not the one in storage: it starts now, or is in its overlap, or reverts.
    function _other(uint256 epoch, uint256 current) private returns (uint256) {
        if (epoch == uint48(nextSet >> 160) && _isDue(nextSet)) {
            _start();
            return set;
        }
        uint256 before = previousSet;
        if (epoch != uint48(before >> 160) || block.timestamp >= current >> 216) {
            revert WrongEpoch(epoch, uint48(current >> 160));
        }
        return before;
    }

    function _start() private {
        uint256 next = nextSet & LOW_216;
        uint256 ends = block.timestamp + overlapS;
        (previousSet, set, nextSet) = (set & LOW_216, next | (ends << 216), 0);
        emit EpochStarted(uint48(next >> 160), ends);
    }

    function _isDue(uint256 next) private view returns (bool) {
        return next != 0 && block.timestamp >= next >> 216;
    }

    /// @dev The threshold is more than half of the weight, so that any two batches have a signer in common. With less,
    ///      two halves could each sign another price for the same round, and the one that lands first would stand; now
    ///      somebody has signed both, which proves who it was.
    function _pack(
        uint48 epoch,
        address[] memory signers,
        uint96[] memory weights,
        uint96 threshold,
        uint96 stepThreshold
    ) private returns (uint256) {
        uint256 count_ = signers.length;
        if (count_ == 0 || count_ > 255 || weights.length != count_) revert BadSettings();
        uint256[] memory members = new uint256[](count_);
        uint256 total;
        for (uint256 i; i < count_; ++i) {
            address signer = signers[i];
            if (signer == address(0) || weights[i] == 0) revert BadSigner(i);
            for (uint256 j; j < i; ++j) {
                if (signers[j] == signer) revert BadSigner(i);
            }
            total += weights[i];
            members[i] = (uint256(uint160(signer)) << 96) | weights[i];
        }
        if (threshold > total || uint256(threshold) * 2 <= total) revert BadThreshold(threshold, total);
        if (stepThreshold > total || stepThreshold < threshold) revert BadThreshold(stepThreshold, total);
        address blob = writeSigners((uint256(stepThreshold) << 128) | threshold, members);
        if (blob == address(0)) revert BadSettings();
        return (count_ << 208) | (uint256(epoch) << 160) | uint160(blob);
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

    // ------------------------------------------------------------------------------------------------------ digest

    /// @dev The batch has at least its header.
    function _digest(bytes calldata batch) internal view returns (bytes32 digest_) {
        bytes32 separator = domainSeparator();
        bytes32 kind = BATCH;
        assembly ("memory-safe") {
            let header := calldataload(batch.offset)
            let length := sub(batch.length, HEADER)
            let free := mload(0x40)
            calldatacopy(free, add(batch.offset, HEADER), length)
            let items := keccak256(free, length)
            mstore(free, kind)
            mstore(add(free, 32), shr(208, header))
            mstore(add(free, 64), and(shr(176, header), 0xffffffff))
            mstore(add(free, 96), items)
            let body := keccak256(free, 128)
            mstore(free, hex"1901")
            mstore(add(free, 2), separator)
            mstore(add(free, 34), body)
            digest_ := keccak256(free, 66)
        }
    }

    function _separator() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, NAME, VERSION, block.chainid, address(this)));
    }
}
