// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IPriceStoreErrors} from "../interfaces/IPriceStoreErrors.sol";

/// @title The words that the store keeps: first in storage, so that a token's storage slot is its index
/// @dev Slot: market 88 | redemption 88 | spreadBps 16 | reason 4 | paused 1 | status 3 | marketAgeS 16 |
///      redemptionAgeH 8 | roundTime 32. A registered token without data holds 1 in each price that it has and roundTime
///      0: the write path then knows from the slot alone which fields must be present. A pause sets its bit and the
///      status to halt; whoever reads through the store sees the word without the bit.
abstract contract StoreSlots is IPriceStoreErrors {
    uint256 internal constant LOW_32 = 0xffffffff;
    uint256 internal constant MARKET = uint256(type(uint88).max) << 168;
    uint256 internal constant REDEMPTION = uint256(type(uint88).max) << 80;
    uint256 internal constant PAUSED = 0x0800000000000000;
    uint256 internal constant HALT = 4;
    // what a registered slot holds in a price that the token has, before there is data
    uint256 internal constant HAS_MARKET = 1 << 168;
    uint256 internal constant HAS_REDEMPTION = 1 << 80;

    /// @dev A fixed array: no hashing on the write path.
    uint256[65536] internal slots;
    /// @dev Prices that were not taken at once, too far away or inside a gap: market 88 | redemption 88 | inside 16 |
    ///      since 32 | last 32. Touched only then. It counts while `last` is the token's roundTime, so it needs no
    ///      clearing. `inside`: seconds from the beginning of the gap to `last`; 0 where a far price began a new one.
    uint256[65536] internal held;

    /// @dev True if neither price of `fresh` is more than `stepBps` away from `from`. Both words hold the prices where a
    ///      slot does. A price that appears or disappears is always too far, as stepBps is below 10,000.
    function _near(uint256 from, uint256 fresh, uint256 stepBps) internal pure returns (bool near) {
        assembly ("memory-safe") {
            // |b - a| * 10000 <= a * step, as one unsigned comparison: (b - a) * 10000 + a * step <= 2 * a * step
            let a := shr(168, from)
            let reach := mul(a, stepBps)
            near := gt(add(mul(sub(shr(168, fresh), a), 10000), reach), shl(1, reach))
            a := shr(168, shl(88, from))
            reach := mul(a, stepBps)
            near := iszero(or(near, gt(add(mul(sub(shr(168, shl(88, fresh)), a), 10000), reach), shl(1, reach))))
        }
    }
}
