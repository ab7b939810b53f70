// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title Errors of PriceStore
interface IPriceStoreErrors {
    /// @notice Only the owner may call this, or for `acceptOwnership` the pending owner.
    error NotOwner(address caller);
    /// @notice Only the guardian or the owner may call this.
    error NotGuardian(address caller);
    /// @notice Only the owner or the set owner may call this; a set declared in an emergency only the owner replaces.
    error NotSetOwner(address caller);
    /// @notice No owner, a time out of bounds (a rotation delay is 0 or more than 30 s, a longest epoch 0 or an hour more than
    ///         that), a set that would start after the last roundTime that there is, no or too many classes or signers, or
    ///         not one weight for each signer.
    error BadSettings();
    /// @notice This signer is zero, a duplicate, not in the set, or has no weight.
    error BadSigner(uint256 position);
    /// @notice The limits of this class are out of bounds.
    error BadLimits(uint256 class);
    /// @notice The class does not exist or is full.
    error BadClass(uint256 class);
    /// @notice A threshold exceeds the total weight, the threshold is not more than half of it, or the step threshold is below
    ///         the threshold; in a removal: the remaining weight does not reach the threshold.
    error BadThreshold(uint256 threshold, uint256 total);
    /// @notice The id is already registered, empty, longer than 31 bytes, or not printable ASCII.
    error BadId(bytes32 id);
    /// @notice Neither a known selector, nor an index of two bytes, nor such an index followed by a 0 or 1.
    error UnknownFunction();
    /// @notice No token has this id.
    error UnknownFeed(bytes32 id);
    /// @notice No token has this index.
    error UnknownIndex(uint256 index);
    /// @notice Impossible length of a batch or of signatures.
    error BadLength(uint256 batch, uint256 signatures);
    /// @notice This transaction has already pushed another round.
    error SecondRound(uint256 roundTime, uint256 seen);
    /// @notice Signed for a signer set that was not in force at roundTime or whose overlap is over. `current`: in force now.
    error WrongEpoch(uint256 given, uint256 current);
    /// @notice The signer set of this epoch was in force, but signs no round from `expiresAt` on: it was not replaced in time.
    error Expired(uint256 roundTime, uint256 expiresAt);
    /// @notice The signatures announce a kind (255, then this byte) that this store does not know.
    error UnknownKind(uint256 kind);
    /// @notice No signer set can be armed: there is no next one, it is armed or needs no arming, or it begins within 30 s. In
    ///         the last case set the signers again.
    error NothingToArm();
    /// @notice The next set is certain to begin within 30 s: too late to remove weight from it.
    error TooLate(uint256 activeAt);
    /// @notice roundTime is more than maxPushAgeS before the block.
    error TooOld(uint256 roundTime, uint256 blockTime);
    /// @notice roundTime is more than 30 s after the block.
    error TooFarAhead(uint256 roundTime, uint256 blockTime);
    /// @notice The signature at this position is not by the member of the set that its index names, or is out of order.
    error BadSignature(uint256 position);
    /// @notice The weight of the signers is below the threshold.
    error BelowThreshold(uint256 weight, uint256 threshold);
    /// @notice The state is not 1 to 4.
    error BadStatus(uint256 index, uint256 status);
    /// @notice The spread is more than 16,383 bps.
    error BadSpread(uint256 index, uint256 spreadBps);
    /// @notice A price that the token does not have, or a missing one that it has; on registration: neither price.
    error WrongPresence(uint256 index);
    /// @notice Every item was skipped: not newer than the stored one (nor of its round with waiting prices and the step
    ///         threshold's weight), paused, a first one without prices, or the end of a halt inside a gap.
    error NothingNew();
}
