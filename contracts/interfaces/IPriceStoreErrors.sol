// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title Why PriceStore refuses a call
interface IPriceStoreErrors {
    /// @notice The call is the owner's, or the one's to whom the ownership was offered.
    error NotOwner(address caller);
    /// @notice The call is the guardian's or the owner's.
    error NotGuardian(address caller);
    /// @notice No owner, a time out of its bounds, no or too many classes or signers, or not one weight for each.
    error BadSettings();
    /// @notice This signer is zero, there twice, or has no weight.
    error BadSigner(uint256 position);
    /// @notice Limits of this class out of their bounds.
    error BadLimits(uint256 class);
    /// @notice There is no such class, or it is full.
    error BadClass(uint256 class);
    /// @notice A threshold is more than all the weight, the first is not more than half of it, or the second is lower.
    error BadThreshold(uint256 threshold, uint256 total);
    /// @notice There twice, empty, longer than 31 bytes, or not printable ASCII.
    error BadId(bytes32 id);
    /// @notice No function has this selector, and it is no index of two bytes.
    error UnknownFunction();
    /// @notice No token has this id.
    error UnknownFeed(bytes32 id);
    /// @notice No token has this index.
    error UnknownIndex(uint256 index);
    /// @notice Lengths of a batch or of signatures that nothing can have.
    error BadLength(uint256 batch, uint256 signatures);
    /// @notice This transaction has pushed another round already.
    error SecondRound(uint256 roundTime, uint256 seen);
    /// @notice Signed for another signer set than the current one or the one that overlaps it.
    error WrongEpoch(uint256 given, uint256 current);
    /// @notice More than maxPushAgeS before the block.
    error TooOld(uint256 roundTime, uint256 blockTime);
    /// @notice More than 30 s after the block.
    error TooFarAhead(uint256 roundTime, uint256 blockTime);
    /// @notice The signature at this position is of nobody in the set, of another one than it says, or out of order.
    error BadSignature(uint256 position);
    /// @notice The signers' weight is not enough.
    error BelowThreshold(uint256 weight, uint256 threshold);
    /// @notice Not 1 to 4.
    error BadStatus(uint256 index, uint256 status);
    /// @notice A price that the token has not, or not one that it has; when registered, neither.
    error WrongPresence(uint256 index);
    /// @notice No item is newer than what is stored, late enough and not paused.
    error NothingNew();
}
