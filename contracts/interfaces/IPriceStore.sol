// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The read side of PriceStore
interface IPriceStore {
    /// @notice One token's record. 0 in a price means that the token has none; an all-zero record that nothing landed.
    /// @param market what a trade pays, quote per base times 1e18
    /// @param redemption what the protocol owes, quote per base times 1e18
    /// @param spreadBps confidence around the market price, at most 16,383
    /// @param status low half: 1 ok, 2 watch, 3 depeg, 4 halt; high half: class of the reason
    /// @param roundTime when the operators looked, Unix seconds; it never decreases
    /// @param marketAgeS age of the oldest market input at roundTime, rounded up, saturating
    /// @param redemptionAgeH hours since the redemption rate last changed, rounded up, saturating
    /// @param held bit 0: the market, bit 1: the redemption is not of roundTime but older, as another is signed or nobody
    ///        looked; the low 32 bits of `heldAt` say when it was true
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

    /// @notice How a token may move.
    /// @param minGapS seconds for which prices stay within a step of where they were when a gap opened; 1 to 3600
    /// @param stepBps how far a price may be from that one, or outside of a gap from the one in the slot; 1 to 9999
    /// @param stepWaitS seconds for which all that is signed must lie beyond that, on one side, before the least far of it
    ///        lands, unless more signers vouch for it; minGapS to 1 week
    struct Limits {
        uint16 minGapS;
        uint16 stepBps;
        uint32 stepWaitS;
    }

    /// @notice The record of a feed; reverts if it is not registered.
    function latest(bytes32 id) external view returns (Report memory);
    /// @notice The record at an index, its fields one by one: the cheap read. Zeros if nobody registered it.
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
    /// @notice The word as it is kept, for views that decode it themselves. Low 32 bits 0: no data yet. Bits 79 and 78 say
    ///         that the market or the redemption is held: another is signed, or nobody looked; see `heldAt`.
    function slotAt(uint16 index) external view returns (uint256);
    /// @notice Of a held price: price 88 | above 1 | 71 unused | priceAt 32 | since 32 | trueAt 32; 0 if it is not held.
    ///         The one in the slot was true at trueAt, its age is reckoned from there. `price` is the least far of what was
    ///         signed on that side (above or below) since `since`, and was true at priceAt; since 0: nothing waits.
    /// @param field 0 market, 1 redemption
    function heldAt(uint16 index, uint8 field) external view returns (uint256);
    /// @notice Whether a pause stops the writes; `status` is then halt.
    function paused(uint16 index) external view returns (bool);
    /// @notice Index of a feed; reverts if it is not registered.
    function indexOf(bytes32 id) external view returns (uint16);
    /// @notice Feed of an index; reverts if nobody registered it.
    function idAt(uint16 index) external view returns (bytes32);
    /// @notice How many feeds there are.
    function count() external view returns (uint256);
    /// @notice Feed and index of each position below `count`, by class and then in the order of registration.
    function feedAt(uint256 position) external view returns (bytes32 id, uint16 index);
    /// @notice Which prices a token has.
    function presence(uint16 index) external view returns (bool hasMarket, bool hasRedemption);
    /// @notice Limits of an index's class; reverts if there is no such class.
    function limitsOf(uint16 index) external view returns (Limits memory);
}
