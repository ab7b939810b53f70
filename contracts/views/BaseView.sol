// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAggregatorV2V3} from "../interfaces/IAggregatorV2V3.sol";

/// @title What every view shares: Chainlink's two generations, a rate provider and a Chronicle-like read
/// @notice Never reverts in `latestRoundData` and `latestAnswer`: some lenders shut down for good when a feed reverts.
///         What is old or halted says so in `updatedAt` and `status`.
abstract contract BaseView is IAggregatorV2V3 {
    uint256 private constant PHASE = 1 << 64;

    /// @inheritdoc IAggregatorV2V3
    uint8 public immutable decimals;
    uint256 internal immutable unit;

    /// @notice There is no price: nothing landed yet.
    error NoData();
    /// @notice Not 1 to 18.
    error BadDecimals(uint8 decimals);

    constructor(uint8 decimals_) {
        if (decimals_ == 0 || decimals_ > 18) revert BadDecimals(decimals_);
        decimals = decimals_;
        unit = 10 ** (18 - decimals_);
    }

    /// @notice The price in 1e18 (0 if there is none), when it was true, its roundTime, and the status byte.
    function peek() public view virtual returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte);

    /// @notice Confidence around the price in bps, 0 while there is no data.
    function spreadBps() public view virtual returns (uint256);

    /// @notice Longest time between two pushes in seconds, as promised by the operators.
    function heartbeat() external view virtual returns (uint32);

    /// @inheritdoc IAggregatorV2V3
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev Rounded down to `decimals`. All zeros while there is no data.
    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        (uint256 wad, uint256 updatedAt, uint256 roundTime,) = peek();
        if (roundTime == 0) return (0, 0, 0, 0, 0);
        uint80 round = uint80(PHASE | roundTime);
        return (round, int256(wad / unit), updatedAt, updatedAt, round);
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev Only the latest round is kept: any other answers zeros.
    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        if (!_isLatest(round)) return (0, 0, 0, 0, 0);
        return latestRoundData();
    }

    /// @inheritdoc IAggregatorV2V3
    function latestAnswer() public view returns (int256) {
        (uint256 wad,,,) = peek();
        return int256(wad / unit);
    }

    /// @inheritdoc IAggregatorV2V3
    function latestTimestamp() public view returns (uint256 updatedAt) {
        (, updatedAt,,) = peek();
    }

    /// @inheritdoc IAggregatorV2V3
    function latestRound() public view returns (uint256) {
        (,, uint256 roundTime,) = peek();
        return roundTime == 0 ? 0 : PHASE | roundTime;
    }

    /// @inheritdoc IAggregatorV2V3
    function getAnswer(uint256 round) external view returns (int256) {
        return _isLatest(round) ? latestAnswer() : int256(0);
    }

    /// @inheritdoc IAggregatorV2V3
    function getTimestamp(uint256 round) external view returns (uint256) {
        return _isLatest(round) ? latestTimestamp() : 0;
    }

    /// @notice The price in 1e18, as rate providers give it. Reverts while there is none.
    function getRate() external view returns (uint256 wad) {
        (wad,,,) = peek();
        if (wad == 0) revert NoData();
    }

    /// @notice The price in 1e18. Reverts while there is none.
    function read() external view returns (uint256 wad) {
        (wad,,,) = peek();
        if (wad == 0) revert NoData();
    }

    /// @notice The price in 1e18 and when it was true, Unix seconds. Reverts while there is none.
    function readWithAge() external view returns (uint256 wad, uint256 age) {
        (wad, age,,) = peek();
        if (wad == 0) revert NoData();
    }

    /// @notice 1 ok, 2 watch, 3 depeg, 4 halt; 0 while there is no data.
    function status() external view returns (uint8) {
        (,,, uint8 both) = peek();
        return both & 0x0f;
    }

    /// @notice Class of the reason behind the status, 0 for none.
    function reason() external view returns (uint8) {
        (,,, uint8 both) = peek();
        return both >> 4;
    }

    function _isLatest(uint256 round) private view returns (bool) {
        return round != 0 && round == latestRound();
    }
}
