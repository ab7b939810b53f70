// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";

/// @title CrossView: the product of two views, such as weETH / ETH times ETH / USD
/// @notice Rounded down; age of the older leg, status of the worse leg. It has no storage of its own.
contract CrossView is BaseView {
    /// @notice BASE / X.
    BaseView public immutable first;
    /// @notice X / QUOTE.
    BaseView public immutable second;

    /// @notice Both legs are the same view.
    error SameLeg();

    /// @param first_ BASE / X, in the mode wanted of the cross
    /// @param second_ X / QUOTE
    /// @param decimals_ 1 to 18; answers are rounded down to them
    constructor(BaseView first_, BaseView second_, uint8 decimals_) BaseView(decimals_) {
        if (address(first_) == address(second_)) revert SameLeg();
        (first, second) = (first_, second_);
    }

    /// @inheritdoc BaseView
    function peek()
        public
        view
        override
        returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte)
    {
        (uint256 a, uint256 timeA, uint256 roundA, uint8 statusA) = first.peek();
        (uint256 b, uint256 timeB, uint256 roundB, uint8 statusB) = second.peek();
        if (roundA == 0 || roundB == 0) return (0, 0, 0, 0);
        wad = a * b / 1e18; // two 88-bit numbers: no overflow
        updatedAt = timeA < timeB ? timeA : timeB;
        roundTime = roundA < roundB ? roundA : roundB;
        statusByte = statusB & 0x0f > statusA & 0x0f ? statusB : statusA;
    }

    /// @inheritdoc BaseView
    function newestRound() public view override returns (uint256) {
        (uint256 a, uint256 b) = (first.newestRound(), second.newestRound());
        return a > b ? a : b;
    }

    /// @inheritdoc BaseView
    /// @dev (1 + a) (1 + b) - 1, rounded up.
    function spreadBps() public view override returns (uint256) {
        (uint256 a, uint256 b) = (first.spreadBps(), second.spreadBps());
        return a + b + (a * b + 9999) / 10_000;
    }

    /// @inheritdoc BaseView
    function heartbeat() external view override returns (uint32) {
        uint32 a = first.heartbeat();
        uint32 b = second.heartbeat();
        return a > b ? a : b;
    }

    /// @notice Both legs' descriptions.
    function description() external view returns (string memory) {
        return string.concat(first.description(), " x ", second.description());
    }
}
