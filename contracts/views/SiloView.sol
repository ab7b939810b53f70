// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {PairView} from "./PairView.sol";

/// @title SiloView: the oracle that a Silo v2 market calls
/// @notice Reverts while the price is halted, stale or missing: no borrowing, no withdrawal of collateral and no liquidation
///         then; repaying reads no oracle.
contract SiloView is PairView {
    /// @notice Only the base token has a price here.
    error UnsupportedToken(address token);

    /// @param source_ a view of BASE / QUOTE
    /// @param maxAgeS_ 1 second to 1 week
    constructor(
        BaseView source_,
        uint256 maxAgeS_,
        address base_,
        uint8 baseDecimals,
        address quote_,
        uint8 quoteDecimals
    ) PairView(source_, maxAgeS_, base_, baseDecimals, quote_, quoteDecimals) {}

    /// @notice Called before a quote; does nothing.
    function beforeQuote(address) external pure {}

    /// @notice Value of an amount of the base token in units of the quote token, rounded down.
    function quote(uint256 baseAmount, address baseToken) external view returns (uint256) {
        if (baseToken != baseAsset) revert UnsupportedToken(baseToken);
        return baseAmount * _price() * numerator / denominator;
    }

    /// @notice The token in which values are returned.
    function quoteToken() external view returns (address) {
        return quoteAsset;
    }
}
