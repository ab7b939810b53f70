// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The read side of PriceStore
interface IPriceStore {
    /// @notice One token's record. 0 in a price means that the token has none; an all-zero record that nothing landed.
    /// @param market what a trade pays, quote per base times 1e18
    /// @param redemption what the protocol owes, quote per base times 1e18
    /// @param spreadBps confidence around the market price
    /// @param status low half: 1 ok, 2 watch, 3 depeg, 4 halt; high half: class of the reason
    /// @param roundTime when the operators looked, Unix seconds; strictly increasing per token
    /// @param marketAgeS age of the oldest market input at roundTime, rounded up, saturating
    /// @param redemptionAgeH hours since the redemption rate last changed, rounded up, saturating
    struct Report {
        uint88 market;
        uint88 redemption;
        uint16 spreadBps;
        uint8 status;
        uint32 roundTime;
        uint16 marketAgeS;
        uint8 redemptionAgeH;
    }

    /// @notice How a token may move.
    /// @param minGapS least seconds between the roundTimes of two writes; a worse status comes before, without its prices;
    ///        1 to 3600
    /// @param stepBps most that a price moves in one write; 1 to 9999
    /// @param stepWaitS seconds for which a price beyond that must stand, unless more signers vouch for it; to 1 week
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
            uint8 redemptionAgeH
        );
    /// @notice The word as it is kept, for views that decode it themselves. Low 32 bits 0: no data yet.
    function slotAt(uint16 index) external view returns (uint256);
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
