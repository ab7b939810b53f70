// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {Trouble, peekWithTrouble} from "./Trouble.sol";

/// @title MorphoView: the oracle of a Morpho Blue market
/// @notice Reverts while the price is halted, stale or missing. Morpho reads it to borrow, to withdraw collateral and to
///         liquidate; supplying, repaying and withdrawing lent assets go on.
contract MorphoView {
    /// @notice COLLATERAL / LOAN.
    BaseView public immutable source;
    /// @notice Seconds after which a price is stale.
    uint256 public immutable maxAgeS;
    uint256 private immutable scale;

    /// @notice The price must not be used now.
    error Unusable(Trouble trouble);
    /// @notice A maxAgeS of 0 or more than a week.
    error BadAge();
    /// @notice The collateral has more than 18 decimals more than the loan token.
    error BadDecimals(uint8 collateral, uint8 loan);

    /// @param source_ a view of COLLATERAL / LOAN
    /// @param maxAgeS_ 1 second to 1 week
    /// @param collateralDecimals of the collateral token
    /// @param loanDecimals of the loan token
    constructor(BaseView source_, uint256 maxAgeS_, uint8 collateralDecimals, uint8 loanDecimals) {
        if (maxAgeS_ == 0 || maxAgeS_ > 1 weeks) revert BadAge();
        if (collateralDecimals > 18 + uint256(loanDecimals)) revert BadDecimals(collateralDecimals, loanDecimals);
        (source, maxAgeS) = (source_, maxAgeS_);
        scale = 10 ** (18 + uint256(loanDecimals) - collateralDecimals);
    }

    /// @notice Units of the loan token for one unit of collateral, times 1e36.
    function price() external view returns (uint256) {
        (uint256 wad,,, Trouble trouble) = peekWithTrouble(source, maxAgeS);
        if (trouble != Trouble.None) revert Unusable(trouble);
        return wad * scale;
    }
}
