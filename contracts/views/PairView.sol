// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {Trouble, peekWithTrouble} from "./Trouble.sol";

/// @title Base of the views between two tokens: amounts in the tokens' own units, and no answer without a usable price
abstract contract PairView {
    /// @notice BASE / QUOTE.
    BaseView public immutable source;
    /// @notice Seconds after which a price is stale.
    uint256 public immutable maxAgeS;
    /// @notice The token that is priced.
    address public immutable baseAsset;
    /// @notice The token, or ISO 4217 number, that it is priced in.
    address public immutable quoteAsset;
    /// @dev One unit of base is worth wad * numerator / denominator units of quote.
    uint256 internal immutable numerator;
    uint256 internal immutable denominator;

    /// @notice The price must not be used now.
    error Unusable(Trouble trouble);
    /// @notice A maxAgeS of 0 or more than a week.
    error BadAge();
    /// @notice Both tokens are the same, or one has more than 36 decimals.
    error BadPair();

    constructor(
        BaseView source_,
        uint256 maxAgeS_,
        address base_,
        uint8 baseDecimals,
        address quote_,
        uint8 quoteDecimals
    ) {
        if (maxAgeS_ == 0 || maxAgeS_ > 1 weeks) revert BadAge();
        if (base_ == quote_ || baseDecimals > 36 || quoteDecimals > 36) revert BadPair();
        (source, maxAgeS, baseAsset, quoteAsset) = (source_, maxAgeS_, base_, quote_);
        numerator = 10 ** quoteDecimals;
        denominator = 10 ** (18 + uint256(baseDecimals));
    }

    /// @dev The price in 1e18; reverts while it must not be used.
    function _price() internal view returns (uint256 wad) {
        Trouble trouble;
        (wad,,, trouble) = peekWithTrouble(source, maxAgeS);
        if (trouble != Trouble.None) revert Unusable(trouble);
    }
}
