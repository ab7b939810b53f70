// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title Why PriceStore refuses a call
interface IPriceStoreErrors {
    /// @notice The call is the owner's, or the one's to whom the ownership was offered.
    error NotOwner(address caller);
    /// @notice The call is the guardian's or the owner's.
    error NotGuardian(address caller);
    /// @notice The call is the owner's or the set owner's; what the owner declared in an emergency is the owner's alone.
    error NotSetOwner(address caller);
    /// @notice No owner, a time out of its bounds (a rotation delay is 0, or more than 30 s), no or too many classes or signers, or not one weight for each.
    error BadSettings();
    /// @notice This signer is zero, there twice, not there, or has no weight.
    error BadSigner(uint256 position);
    /// @notice Limits of this class out of their bounds.
    error BadLimits(uint256 class);
    /// @notice There is no such class, or it is full.
    error BadClass(uint256 class);
    /// @notice A threshold is more than all the weight, the first is not more than half of it, or the second is lower; of a
    ///         removal, the rest does not reach the threshold.
    error BadThreshold(uint256 threshold, uint256 total);
    /// @notice There twice, empty, longer than 31 bytes, or not printable ASCII.
    error BadId(bytes32 id);
    /// @notice No function has this selector, and it is no index of two bytes, nor one with a 0 or 1 behind it.
    error UnknownFunction();
    /// @notice No token has this id.
    error UnknownFeed(bytes32 id);
    /// @notice No token has this index.
    error UnknownIndex(uint256 index);
    /// @notice Lengths of a batch or of signatures that nothing can have.
    error BadLength(uint256 batch, uint256 signatures);
    /// @notice This transaction has pushed another round already.
    error SecondRound(uint256 roundTime, uint256 seen);
    /// @notice Signed for a signer set that was not in force at roundTime, or whose overlap is over. `current`: in force now.
    error WrongEpoch(uint256 given, uint256 current);
    /// @notice Signatures begin with 255 and then this: a kind that this store does not know.
    error UnknownKind(uint256 kind);
    /// @notice No signer set waits for its signatures: there is none to come, it has them or needs none, or it begins
    ///         within 30 s. Set the signers again.
    error NothingToArm();
    /// @notice The next set begins within 30 s, and for certain: too late to take weight from it.
    error TooLate(uint256 activeAt);
    /// @notice More than maxPushAgeS before the block.
    error TooOld(uint256 roundTime, uint256 blockTime);
    /// @notice More than 30 s after the block.
    error TooFarAhead(uint256 roundTime, uint256 blockTime);
    /// @notice The signature at this position is of nobody in the set, of another one than it says, or out of order.
    error BadSignature(uint256 position);
    /// @notice The signers' weight is not enough.
    error BelowThreshold(uint256 weight, uint256 threshold);
    /// @notice The state is not 1 to 4.
    error BadStatus(uint256 index, uint256 status);
    /// @notice More than 16,383 bps.
    error BadSpread(uint256 index, uint256 spreadBps);
    /// @notice A price that the token has not, or not one that it has; when registered, neither.
    error WrongPresence(uint256 index);
    /// @notice Every item is not newer than what is stored (nor of its round with prices that wait and the step threshold's
    ///         weight), paused, a first one without prices, or would end a halt inside a gap.
    error NothingNew();
}
