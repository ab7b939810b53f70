// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Slashes an operator's stake elsewhere, once equivocation is proven and the dispute window is over
/// @notice A slasher that reverts does not stop the penalty here; the call can be retried. So an implementation must refuse
///         evidence that it has already processed.
interface ISlasher {
    /// @param signer the report key that signed both batches
    /// @param fraction of the stake, 1e18 for all
    /// @param evidence hash of the two digests, the lower first
    function slash(address signer, uint256 fraction, bytes32 evidence) external;
}
