// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {PairView} from "./PairView.sol";

/// @title QuoteView: ERC-7726 over a view, in both directions, with a bid and an ask from the spread
/// @notice Reverts while the price is halted, stale or missing, and for any other pair.
contract QuoteView is PairView, IPriceOracle {
    uint256 private constant BPS = 10_000;

    /// @notice Neither base in quote nor quote in base.
    error UnsupportedPair(address base, address quote);

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

    /// @inheritdoc IPriceOracle
    function name() external view returns (string memory) {
        return source.description();
    }

    /// @inheritdoc IPriceOracle
    function getQuote(uint256 baseAmount, address base_, address quote_) external view returns (uint256) {
        return _value(baseAmount, _price(), _isForward(base_, quote_));
    }

    /// @inheritdoc IPriceOracle
    function getQuotes(uint256 baseAmount, address base_, address quote_)
        external
        view
        returns (uint256 bid, uint256 ask)
    {
        bool forward = _isForward(base_, quote_);
        uint256 value = _value(baseAmount, _price(), forward);
        uint256 spread = source.spreadBps();
        bid = spread < BPS ? value * (BPS - spread) / BPS : 0;
        ask = baseAmount == 0 ? 0 : ((value + 1) * (BPS + spread) + BPS - 1) / BPS;
    }

    function _value(uint256 amount, uint256 wad, bool forward) private view returns (uint256) {
        return forward ? amount * wad * numerator / denominator : amount * denominator / (wad * numerator);
    }

    function _isForward(address base_, address quote_) private view returns (bool forward) {
        forward = base_ == baseAsset && quote_ == quoteAsset;
        if (!forward && (base_ != quoteAsset || quote_ != baseAsset)) revert UnsupportedPair(base_, quote_);
    }
}
