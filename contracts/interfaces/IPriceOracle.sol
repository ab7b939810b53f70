// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Value of an amount: ERC-7726, and the two-sided form and name that Euler asks for
interface IPriceOracle {
    function name() external view returns (string memory);

    /// @notice Value of `baseAmount` of `base` in `quote`, rounded down.
    function getQuote(uint256 baseAmount, address base, address quote) external view returns (uint256 quoteAmount);

    /// @notice Bid (selling) and ask (buying) by the spread; the bid is rounded down, the ask up.
    function getQuotes(uint256 baseAmount, address base, address quote)
        external
        view
        returns (uint256 bid, uint256 ask);
}
