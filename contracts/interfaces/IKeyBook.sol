// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Which report key speaks for an operator
/// @notice A key belongs to one operator for good and is used once; an operator has one key at a time, and the sets are frozen with
///         it, so exactly one key of an operator is valid for a round.
interface IKeyBook {
    /// @notice What a key's own signature says: it speaks for the operator. EIP-712, in the book's own domain:
    ///         `Consent(address operator,uint64 nonce,uint64 expiry)`.
    /// @param nonce the operator's next one
    /// @param expiry last second at which the consent can be used
    struct Consent {
        address key;
        uint64 nonce;
        uint64 expiry;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice The operator of a key, also of one that was replaced; zero if nobody's.
    function operatorOf(address key) external view returns (address);
    /// @notice The key that the next freeze takes; zero if the operator has none.
    function keyOf(address operator) external view returns (address);
    /// @notice The nonce that the operator's next consent must have.
    function nonceOf(address operator) external view returns (uint64);
    /// @notice What the key signs.
    function consentDigest(address operator, uint64 nonce, uint64 expiry) external view returns (bytes32);
    /// @notice The caller is the operator: from the next freeze on this key speaks for it.
    function setKey(Consent calldata consent) external;
    /// @notice Only a source that opts operators in by itself: the same for an operator that it vouches for.
    function setKeyFor(address operator, Consent calldata consent) external;
    /// @notice Only the penalties contract: no freeze takes this key any more. It stays its operator's, who needs another one.
    function retire(address key) external;
}
