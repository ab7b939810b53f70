// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Who takes an operator's stake elsewhere, once its equivocation is proven and the dispute is over
/// @notice A slasher that reverts does not stop the penalty here: it is skipped, and can be told again. So it must refuse
///         evidence that it has had.
interface ISlasher {
    /// @param signer the report key that signed both
    /// @param fraction of the stake, 1e18 for all
    /// @param evidence hash of the two digests, the lower first
    function slash(address signer, uint256 fraction, bytes32 evidence) external;
}
