// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IPriceStoreErrors} from "../interfaces/IPriceStoreErrors.sol";

/// @title Storage layout: these arrays come first, so that a token's storage slot is its index
/// @dev Slot: market 88 | redemption 88 | marketHeld 1 | redemptionHeld 1 | spreadBps 14 | reason 4 | paused 1 | state 3 |
///      marketAgeS 16 | redemptionAgeH 8 | roundTime 32. A registered token without data holds 1 in each price that it
///      has and roundTime 0: the write path then knows from the slot alone which fields must be present. A pause sets its
///      bit and the state to halt; reads through the store return the word without the bit.
abstract contract StoreSlots is IPriceStoreErrors {
    uint256 internal constant LOW_32 = 0xffffffff;
    uint256 internal constant MARKET = uint256(type(uint88).max) << 168;
    uint256 internal constant REDEMPTION = uint256(type(uint88).max) << 80;
    uint256 internal constant MARKET_HELD = 1 << 79;
    uint256 internal constant REDEMPTION_HELD = 1 << 78;
    uint256 internal constant MAX_SPREAD = (1 << 14) - 1;
    uint256 internal constant PAUSED = 0x0800000000000000;
    uint256 internal constant HALT = 4;
    // placeholder 1 in each price that a registered token has, before there is data
    uint256 internal constant HAS_MARKET = 1 << 168;
    uint256 internal constant HAS_REDEMPTION = 1 << 80;
    uint256 internal constant FIELD = 1 << 16; // from a token's market word of `held` to its redemption word

    /// @dev A fixed array: no hashing on the write path.
    uint256[65536] internal slots;
    /// @dev The gap that binds the writes inside it: market 88 | redemption 88 | 16 unused | openedAt 32 | last 32. The prices
    ///      are the anchors: those stored when it opened, or that landed in it without being near. The word counts while
    ///      `last` is the slot's roundTime, so it needs no clearing.
    uint256[65536] internal gaps;
    /// @dev The state of a held price, one that the slot keeps while another is signed or none was observed: price 88 | above 1
    ///      | 71 unused | priceAt 32 | since 32 | trueAt 32. First all market words by index, then all redemption words. A
    ///      word counts while its bit in the slot is set.
    uint256[131072] internal held;
}
