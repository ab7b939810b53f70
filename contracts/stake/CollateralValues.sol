// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ICollateralValues} from "../interfaces/ICollateralValues.sol";

/// @title CollateralValues: wei of collateral tokens, by the tokens' own contracts
/// @notice The list is fixed at deployment and nobody owns this contract. A rate counts up to a limit that grows from the last rate
///         that was recorded (`refresh`, by anybody): so whoever gives to a token's contract, or breaks it, raises no stake faster
///         than its limit grows. A fall counts at once up to `DIP_BPS` of the recorded rate, and whole when it was seen twice,
///         `CONFIRM_S` apart: so whoever makes a rate dip for one call takes next to nothing from anybody.
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
    /// @notice So much of a fall counts before it was seen twice.
    uint256 public constant DIP_BPS = 500;
    /// @notice A fall is recorded when it was seen, and so much later still is.
    uint256 public constant CONFIRM_S = 1 hours;

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

    /// @param rate that was recorded last, at `recordedAt`
    /// @param fallenAt when `refresh` first saw less than `rate`; 0: it saw no less since
    /// @param fallen the highest that it saw since
    struct Listed {
        address rateContract;
        bytes4 selector;
        uint16 countsBps;
        uint16 growthBps;
        uint128 rate;
        uint48 recordedAt;
        uint48 fallenAt;
        uint128 fallen;
    }

    /// @notice All tokens of the list.
    address[] private tokenList;
    /// @notice What is known of a token: how it is valued, and the rate that was recorded last, and when.
    mapping(address token => Listed) public listed;

    /// @notice The limit grows from this rate now.
    event RateRecorded(address indexed token, uint256 rate);
    /// @notice The rate was seen lower than it was recorded. It is recorded as `fallen` by a `refresh` from `recordableFrom` on, unless
    ///         one sees more before.
    event RateFell(address indexed token, uint256 fallen, uint256 recordableFrom);

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
            listed[one.token] = Listed(one.rateContract, one.selector, one.countsBps, one.growthBps, uint128(WAD), 0, 0, 0);
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
        if (one.countsBps == 0 || amount > type(uint112).max) return 0;
        (uint256 least,) = _bounds(one);
        if (least == 0) return 0;
        uint256 rate = one.fallenAt == 0 ? one.rate : one.fallen;
        if (rate < least) rate = least;
        return (amount * rate * one.countsBps) / (WAD * BPS);
    }

    /// @notice Wei per 1e18 of a token: what its contract says, or its limit if that is less, and no less than `DIP_BPS` below a record
    ///         that is not too old. Without the part that counts.
    function rateOf(address token) public view returns (uint256) {
        uint256 live = _liveRate(token);
        (uint256 least, uint256 limit) = _bounds(listed[token]);
        return live < least ? least : live < limit ? live : limit;
    }

    /// @notice The most that a token's rate counts for now.
    function limitOf(address token) external view returns (uint256 limit) {
        Listed storage one = listed[token];
        if (one.countsBps == 0) revert NoCollateral(token);
        (, limit) = _bounds(one);
    }

    /// @notice Record what the token's contract says, or its limit if that is less; anybody may. The limit grows from there. Less than
    ///         what is recorded is noted first: a call that sees it again, `CONFIRM_S` later or more, records the highest that was
    ///         seen since, and one that sees no less than what is recorded forgets it.
    function refresh(address token) external {
        uint256 rate = _liveRate(token);
        Listed storage one = listed[token];
        (, uint256 limit) = _bounds(one);
        if (rate > limit) rate = limit;
        uint256 fallenAt = one.fallenAt;
        if (rate < one.rate) {
            if (fallenAt == 0) fallenAt = block.timestamp;
            else if (rate < one.fallen) rate = one.fallen;
            if (block.timestamp < fallenAt + CONFIRM_S) {
                (one.fallenAt, one.fallen) = (uint48(fallenAt), uint128(rate));
                emit RateFell(token, rate, fallenAt + CONFIRM_S);
                return;
            }
        }
        _record(token, rate);
    }

    /// @notice All tokens of the list.
    function tokens() external view returns (address[] memory) {
        return tokenList;
    }

    function _record(address token, uint256 rate) private {
        Listed storage one = listed[token];
        (one.rate, one.recordedAt, one.fallenAt) = (uint128(rate), uint48(block.timestamp), 0);
        emit RateRecorded(token, rate);
    }

    /// @dev What has no contract of its own is one to one, and no record of it ages.
    /// @return least that counts of a rate that may have dipped; 0: the record is too old to hold anything up
    /// @return limit that no rate counts above
    function _bounds(Listed storage one) private view returns (uint256 least, uint256 limit) {
        if (one.rateContract == address(0)) return (WAD, WAD);
        (uint256 rate, uint256 age) = (one.rate, block.timestamp - one.recordedAt);
        if (age <= RECORD_S) least = rate * (BPS - DIP_BPS) / BPS;
        limit = rate + rate * one.growthBps * age / (BPS * YEAR_S);
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
