// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAggregatorV2V3} from "../interfaces/IAggregatorV2V3.sol";

/// @title Base of every view: Chainlink's two generations, a rate provider and Chronicle's read
/// @notice A price that is old or halted is still returned, marked by `updatedAt` and `status`: some lenders shut down for
///         good when a feed reverts. `latestRoundData` reverts only while there is no price, as some readers take the 0 of an
///         empty feed for a price. Answers have `decimals`; `peek` and `getRate` are always in 1e18.
abstract contract BaseView is IAggregatorV2V3 {
    uint256 private constant PHASE = 1 << 64;

    /// @inheritdoc IAggregatorV2V3
    uint8 public immutable decimals;
    uint256 internal immutable unit;

    /// @notice There is no price: no data yet, a round other than the latest, or too small for `decimals`.
    error NoData();
    /// @notice Not 1 to 18.
    error BadDecimals(uint8 decimals);

    constructor(uint8 decimals_) {
        if (decimals_ == 0 || decimals_ > 18) revert BadDecimals(decimals_);
        decimals = decimals_;
        unit = 10 ** (18 - decimals_);
    }

    /// @notice The price in 1e18 (0 if there is none), when it was true, its roundTime, and the status byte.
    /// @dev Not Maker's `peek`, whose second word says whether there is a price.
    function peek() public view virtual returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte);

    /// @notice roundTime of the newest round of any leg, 0 without data; `peek` returns the oldest leg's. A status that changed
    ///         in this block cannot have come with an older round.
    function newestRound() public view virtual returns (uint256);

    /// @notice Confidence around the price in bps, 0 while there is no data.
    function spreadBps() public view virtual returns (uint256);

    /// @notice Longest time between two pushes in seconds, as the operators promise.
    function heartbeat() external view virtual returns (uint32);

    /// @inheritdoc IAggregatorV2V3
    function version() external pure returns (uint256) {
        return 1;
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev Rounded down to `decimals`, and never 0: reverts while there is no price.
    function latestRoundData() public view returns (uint80, int256, uint256, uint256, uint80) {
        (uint256 wad, uint256 updatedAt, uint256 roundTime,) = peek();
        uint256 answer = wad / unit;
        if (answer == 0) revert NoData();
        uint80 round = uint80(PHASE | roundTime);
        return (round, int256(answer), updatedAt, updatedAt, round);
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev Only the latest round is stored: any other has no data.
    function getRoundData(uint80 round) external view returns (uint80, int256, uint256, uint256, uint80) {
        if (!_isLatest(round)) revert NoData();
        return latestRoundData();
    }

    /// @inheritdoc IAggregatorV2V3
    /// @dev 0 while there is no price, as in Chainlink's aggregators.
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

    /// @notice The price in 1e18 whatever `decimals` is, as rate providers return it. Reverts while there is none.
    function getRate() external view returns (uint256 wad) {
        (wad,,,) = peek();
        if (wad == 0) revert NoData();
    }

    /// @notice The price, rounded down to `decimals`, as Chronicle's readers take it. Reverts while there is none.
    function read() external view returns (uint256 answer) {
        (answer,) = readWithAge();
    }

    /// @notice The price, rounded down to `decimals`, and when it was true, Unix seconds. Reverts while there is none.
    function readWithAge() public view returns (uint256 answer, uint256 age) {
        (answer, age,,) = peek();
        answer /= unit;
        if (answer == 0) revert NoData();
    }

    /// @notice 1 ok, 2 watch, 3 depeg, 4 halt; 0 while there is no data.
    function status() external view returns (uint8) {
        (,,, uint8 statusByte) = peek();
        return statusByte & 0x0f;
    }

    /// @notice Reason class of the status, 0 for none.
    function reason() external view returns (uint8) {
        (,,, uint8 statusByte) = peek();
        return statusByte >> 4;
    }

    function _isLatest(uint256 round) private view returns (bool) {
        return round != 0 && round == latestRound();
    }
}
