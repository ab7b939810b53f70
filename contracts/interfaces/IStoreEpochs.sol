// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title What rewards read of a store: the epoch that is in force, its feeds, and the domain of what its signers sign
interface IStoreEpochs {
    /// @notice The set in force now.
    function signerSet()
        external
        view
        returns (uint48 epoch, uint256 threshold, address[] memory signers, uint96[] memory weights);
    /// @notice Index of a token; reverts if the store does not have it.
    function indexOf(bytes32 id) external view returns (uint16);
    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);
}
