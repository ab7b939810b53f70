// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Wei of collateral tokens, by the tokens' own contracts
/// @notice Never from what this oracle published. A rate falls by a little at once and by more when that was seen twice, and rises no
///         faster than its cap.
interface ICollateralValues {
    /// @notice Whether stake in this token counts.
    function isCollateral(address token) external view returns (bool);
    /// @notice Wei of an amount, rounded down; reverts if the token is unknown or its rate cannot be read.
    function valueOf(address token, uint256 amount) external view returns (uint256);
    /// @notice The same by the rate that was recorded last, for whoever may not fail with the token's own contract; 0 if the token is
    ///         unknown or the record is too old. Never reverts.
    function recordedValueOf(address token, uint256 amount) external view returns (uint256);
}
