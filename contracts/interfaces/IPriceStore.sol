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

    function latest(bytes32 id) external view returns (Report memory);
    function latestAt(uint16 index) external view returns (Report memory);
    function slotAt(uint16 index) external view returns (uint256);
    function indexOf(bytes32 id) external view returns (uint16);
    function idAt(uint16 index) external view returns (bytes32);
    function count() external view returns (uint256);
    function presence(uint16 index) external view returns (bool hasMarket, bool hasRedemption);
}
