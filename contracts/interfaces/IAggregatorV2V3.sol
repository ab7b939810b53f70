// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The interface of Chainlink's aggregator proxies, both generations
/// @notice Aave reads only `latestAnswer`; most others read `latestRoundData`. A feed must have both.
interface IAggregatorV2V3 {
    function decimals() external view returns (uint8);
    function description() external view returns (string memory);
    function version() external view returns (uint256);

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    function getRoundData(uint80 round)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    function latestAnswer() external view returns (int256);
    function latestTimestamp() external view returns (uint256);
    function latestRound() external view returns (uint256);
    function getAnswer(uint256 round) external view returns (int256);
    function getTimestamp(uint256 round) external view returns (uint256);
}
