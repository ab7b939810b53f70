// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ICollateralValues} from "../interfaces/ICollateralValues.sol";

/// @title CollateralValues: wei of collateral tokens, by the tokens' own contracts
/// @notice The list is fixed at deployment and nobody owns this contract. A rate counts up to a limit that grows from the last rate
///         that was recorded (`refresh`, by anybody): so whoever gives to a token's contract, or breaks it, raises no stake faster
///         than its limit grows. A rate that falls counts at once.
contract CollateralValues is ICollateralValues {
    uint256 private constant WAD = 1e18;
    uint256 private constant BPS = 10_000;
    uint256 private constant YEAR_S = 365 days;
    uint256 private constant MOST_TOKENS = 32;
    uint256 private constant RATE_GAS = 80_000;
    uint256 private constant SPARE_GAS = 5_000;
    /// @dev A rate may have fallen since it was recorded, and stake stands for it: no longer than that. Who records it once a
    ///      day never has it end by chance.
    uint256 private constant RECORD_S = 2 days;
    uint256 private constant MOST_RATE = type(uint128).max;

    /// @notice A token whose stake counts.
    /// @param token address
    /// @param rateContract says what the token is worth; zero: one wei is one wei
    /// @param selector its function without arguments that returns wei per 1e18 of the token
    /// @param countsBps part of the value that counts as stake: 10,000 all of it, less for receipts of restaked stake
    /// @param growthBps most that the rate may grow in a year, from the recorded one
    struct Listing {
        address token;
        address rateContract;
        bytes4 selector;
        uint16 countsBps;
        uint16 growthBps;
    }

    struct Listed {
        address rateContract;
        bytes4 selector;
        uint16 countsBps;
        uint16 growthBps;
        uint128 rate;
        uint48 recordedAt;
    }

    /// @notice All tokens of the list.
    address[] private tokenList;
    /// @notice What is known of a token: how it is valued, and the rate that was recorded last, and when.
    mapping(address token => Listed) public listed;

    /// @notice The limit grows from this rate now.
    event RateRecorded(address indexed token, uint256 rate);

    /// @notice This entry of the list is zero or there twice, counts for nothing or for more than all, or may grow to more than twice
    ///         in a year; or the list has no entry or more than 32.
    error BadListing(uint256 position);
    /// @notice The token is not in the list.
    error NoCollateral(address token);
    /// @notice The token's contract says no rate: it reverts, needs more gas than it is given, or answers 0 or more than 128 bits.
    error NoTokenRate(address token);
    /// @notice The caller gave so little gas that the token's contract might have failed for that alone.
    error GasTooLow();

    constructor(Listing[] memory listings) {
        if (listings.length == 0 || listings.length > MOST_TOKENS) revert BadListing(listings.length);
        for (uint256 i; i < listings.length; ++i) {
            Listing memory one = listings[i];
            bool bad = one.countsBps == 0 || one.countsBps > BPS || one.growthBps > BPS;
            if (bad || one.token == address(0) || isCollateral(one.token)) revert BadListing(i);
            listed[one.token] = Listed(one.rateContract, one.selector, one.countsBps, one.growthBps, uint128(WAD), 0);
            tokenList.push(one.token);
            _record(one.token, _liveRate(one.token));
        }
    }

    /// @inheritdoc ICollateralValues
    function isCollateral(address token) public view returns (bool) {
        return listed[token].countsBps != 0;
    }

    /// @inheritdoc ICollateralValues
    function valueOf(address token, uint256 amount) external view returns (uint256) {
        return (amount * rateOf(token) * listed[token].countsBps) / (WAD * BPS);
    }

    /// @inheritdoc ICollateralValues
    function recordedValueOf(address token, uint256 amount) external view returns (uint256) {
        Listed storage one = listed[token];
        // what has no contract of its own is one to one, and no record of it ages
        bool old = one.rateContract != address(0) && block.timestamp > one.recordedAt + RECORD_S;
        if (old || amount > type(uint112).max) return 0;
        return (amount * one.rate * one.countsBps) / (WAD * BPS);
    }

    /// @notice Wei per 1e18 of a token: what its contract says, or its limit if that is less. Without the part that counts.
    function rateOf(address token) public view returns (uint256) {
        uint256 live = _liveRate(token);
        uint256 limit = limitOf(token);
        return live < limit ? live : limit;
    }

    /// @notice The most that a token's rate counts for now.
    function limitOf(address token) public view returns (uint256) {
        Listed storage one = listed[token];
        if (one.countsBps == 0) revert NoCollateral(token);
        if (one.rateContract == address(0)) return WAD;
        uint256 growth = uint256(one.rate) * one.growthBps * (block.timestamp - one.recordedAt);
        return one.rate + growth / (BPS * YEAR_S);
    }

    /// @notice Record the rate that counts now; anybody may. Afterwards the limit grows from it, also if it has fallen.
    function refresh(address token) external {
        _record(token, rateOf(token));
    }

    /// @notice All tokens of the list.
    function tokens() external view returns (address[] memory) {
        return tokenList;
    }

    function _record(address token, uint256 rate) private {
        Listed storage one = listed[token];
        (one.rate, one.recordedAt) = (uint128(rate), uint48(block.timestamp));
        emit RateRecorded(token, rate);
    }

    /// @dev Not more than 32 bytes of the answer are copied, whatever is returned.
    function _liveRate(address token) private view returns (uint256 rate) {
        Listed storage one = listed[token];
        address from = one.rateContract;
        if (one.countsBps == 0) revert NoCollateral(token);
        if (from == address(0)) return WAD;
        bytes4 selector = one.selector;
        // a call is given 63 of 64 parts of the gas at most
        if (gasleft() < RATE_GAS + RATE_GAS / 63 + SPARE_GAS) revert GasTooLow();
        bool answered;
        assembly ("memory-safe") {
            mstore(0, selector)
            answered := staticcall(RATE_GAS, from, 0, 4, 0, 32)
            answered := and(answered, eq(returndatasize(), 32))
            rate := mload(0)
        }
        if (!answered || rate == 0 || rate > MOST_RATE) revert NoTokenRate(token);
    }
}
