// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The read side of PriceStore
interface IPriceStore {
    /// @notice The record of one token. A price of 0: the token has none. An all-zero record: no data yet.
    /// @param market the market price, quote per base times 1e18
    /// @param redemption the redemption rate that the protocol owes, quote per base times 1e18
    /// @param spreadBps confidence around the market price, at most 16,383
    /// @param status low half: 1 ok, 2 watch, 3 depeg, 4 halt; high half: class of the reason
    /// @param roundTime when the operators observed, Unix seconds; it never decreases
    /// @param marketAgeS age of the oldest market input at roundTime, rounded up, saturating
    /// @param redemptionAgeH hours since the redemption rate last changed, rounded up, saturating
    /// @param held bit 0: the market price, bit 1: the redemption rate is older than roundTime, as another one is signed or
    ///        none was observed; the low 32 bits of `heldAt` say when it was true
    struct Report {
        uint88 market;
        uint88 redemption;
        uint16 spreadBps;
        uint8 status;
        uint32 roundTime;
        uint16 marketAgeS;
        uint8 redemptionAgeH;
        uint8 held;
    }

    /// @notice The limits of a token's movement.
    /// @param minGapS seconds for which prices stay within a step of the prices when the gap opened; 1 to 3600
    /// @param stepBps largest distance from that price, or outside of a gap from the stored one; 1 to 9999
    /// @param stepWaitS seconds for which all signed prices must lie beyond the step on one side before the nearest of them
    ///        lands, unless the step threshold's weight signs; minGapS to 1 week
    struct Limits {
        uint16 minGapS;
        uint16 stepBps;
        uint32 stepWaitS;
    }

    /// @notice The record of a feed; reverts if it is not registered.
    function latest(bytes32 id) external view returns (Report memory);
    /// @notice The record at an index, field by field: the cheap read. Zeros if the index is not registered.
    function latestAt(uint16 index)
        external
        view
        returns (
            uint88 market,
            uint88 redemption,
            uint16 spreadBps,
            uint8 status,
            uint32 roundTime,
            uint16 marketAgeS,
            uint8 redemptionAgeH,
            uint8 held
        );
    /// @notice The stored word, for views that decode it themselves. Low 32 bits 0: no data yet. Bits 79 and 78: the market
    ///         price, the redemption rate is held; see `heldAt`.
    function slotAt(uint16 index) external view returns (uint256);
    /// @notice State of a held price: price 88 | above 1 | 71 unused | priceAt 32 | since 32 | trueAt 32; 0 if it is not held.
    ///         The stored price was true at trueAt, and its age counts from there. `price` is the nearest of all that was
    ///         signed on that side (above or below) since `since`, and was true at priceAt; since 0: nothing waits.
    /// @param field 0 market, 1 redemption
    function heldAt(uint16 index, uint8 field) external view returns (uint256);
    /// @notice Whether the token is paused; its state is then halt.
    function paused(uint16 index) external view returns (bool);
    /// @notice Index of a feed; reverts if it is not registered.
    function indexOf(bytes32 id) external view returns (uint16);
    /// @notice Feed at an index; reverts if it is not registered.
    function idAt(uint16 index) external view returns (bytes32);
    /// @notice Number of registered feeds.
    function count() external view returns (uint256);
    /// @notice Feed and index of each position below `count`, by class and then in the order of registration.
    function feedAt(uint256 position) external view returns (bytes32 id, uint16 index);
    /// @notice Which of the two prices a token has.
    function presence(uint16 index) external view returns (bool hasMarket, bool hasRedemption);
    /// @notice Limits of an index's class; reverts if there is no such class.
    function limitsOf(uint16 index) external view returns (Limits memory);
}
