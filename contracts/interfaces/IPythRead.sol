// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The read side of a Pyth contract that views can answer
interface IPythRead {
    /// @param price times 10^expo
    /// @param conf half of the width of the confidence interval, times 10^expo
    /// @param expo negative
    /// @param publishTime when the price was true, Unix seconds
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        uint256 publishTime;
    }

    function getPriceUnsafe(bytes32 id) external view returns (Price memory price);
    function getPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory price);
}
