// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IPriceStoreErrors} from "../interfaces/IPriceStoreErrors.sol";

/// @title The words that the store keeps: first in storage, so that a token's storage slot is its index
/// @dev Slot: market 88 | redemption 88 | marketHeld 1 | redemptionHeld 1 | spreadBps 14 | reason 4 | paused 1 | state 3 |
///      marketAgeS 16 | redemptionAgeH 8 | roundTime 32. A registered token without data holds 1 in each price that it
///      has and roundTime 0: the write path then knows from the slot alone which fields must be present. A pause sets its
///      bit and the state to halt; whoever reads through the store sees the word without the bit.
abstract contract StoreSlots is IPriceStoreErrors {
    uint256 internal constant LOW_32 = 0xffffffff;
    uint256 internal constant MARKET = uint256(type(uint88).max) << 168;
    uint256 internal constant REDEMPTION = uint256(type(uint88).max) << 80;
    uint256 internal constant MARKET_HELD = 1 << 79;
    uint256 internal constant REDEMPTION_HELD = 1 << 78;
    uint256 internal constant MAX_SPREAD = (1 << 14) - 1;
    uint256 internal constant PAUSED = 0x0800000000000000;
    uint256 internal constant HALT = 4;
    // what a registered slot holds in a price that the token has, before there is data
    uint256 internal constant HAS_MARKET = 1 << 168;
    uint256 internal constant HAS_REDEMPTION = 1 << 80;
    uint256 internal constant FIELD = 1 << 16; // from a token's market word of `held` to its redemption word
    uint256 internal constant HELD_AT = 1 << 17; // storage slot of the first word of `held`

    /// @dev A fixed array: no hashing on the write path.
    uint256[65536] internal slots;
    /// @dev The gap that a write inside it goes by: market 88 | redemption 88 | 16 unused | openedAt 32 | last 32, with the
    ///      prices that stood when it opened, or that came in it by another right than nearness. It counts while `last` is
    ///      the slot's roundTime, so it needs no clearing.
    uint256[65536] internal gaps;
    /// @dev A price that the slot keeps while another is signed, or nobody looks: price 88 | above 1 | 71 unused |
    ///      priceAt 32 | since 32 | trueAt 32. First all market words by index, then all redemption words. A word counts
    ///      while its bit in the slot is set.
    uint256[131072] internal held;
}
