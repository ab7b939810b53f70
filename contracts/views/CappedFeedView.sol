// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPriceStore} from "../interfaces/IPriceStore.sol";
import {TokenView} from "./TokenView.sol";

/// @title CappedFeedView: a redemption rate whose growth from a snapshot is capped per year
/// @notice Only growth is capped: a fall passes through. Snapshot and cap are fixed, so that no key can move a lender's
///         price; other values need another view.
/// @dev The integer form is the one of Aave's correlated-asset adapters: growth in 1e-6 of a wad a second.
contract CappedFeedView is TokenView {
    uint256 private constant SCALE = 1e6;
    uint256 private constant YEAR = 365 days;

    /// @notice The rate from which the cap grows, 1e18.
    uint256 public immutable snapshotWad;
    /// @notice When the snapshot was taken, Unix seconds.
    uint256 public immutable snapshotTime;
    /// @notice Largest growth in a year, bps of the snapshot.
    uint256 public immutable maxYearlyBps;
    uint256 private immutable growthPerSecondScaled;

    /// @notice The snapshot is not 7 to 180 days old, or the growth is not 1 bps to 100 % a year and at least 1e-6 wad a second.
    error BadSnapshot();
    /// @notice The token has no redemption rate, or none yet.
    error NoRate();
    /// @notice The cap is below the present rate: snapshot, time and growth do not fit together.
    error CapBinds(uint256 rateWad, uint256 capWad);

    /// @param store_ where the token is registered
    /// @param id its feed id
    /// @param decimals_ 1 to 18; answers are rounded down to them
    /// @param heartbeat_ seconds
    /// @param snapshotWad_ the redemption rate at `snapshotTime_`
    /// @param snapshotTime_ 7 to 180 days before this block
    /// @param maxYearlyBps_ 1 to 10,000
    constructor(
        IPriceStore store_,
        bytes32 id,
        uint8 decimals_,
        uint32 heartbeat_,
        uint256 snapshotWad_,
        uint256 snapshotTime_,
        uint256 maxYearlyBps_
    ) TokenView(store_, id, decimals_, heartbeat_) {
        uint256 growth = snapshotWad_ * maxYearlyBps_ * SCALE / 10_000 / YEAR;
        bool inTime = snapshotTime_ + 7 days <= block.timestamp && block.timestamp <= snapshotTime_ + 180 days;
        if (!inTime || growth == 0 || maxYearlyBps_ > 10_000) revert BadSnapshot();
        (snapshotWad, snapshotTime, maxYearlyBps) = (snapshotWad_, snapshotTime_, maxYearlyBps_);
        growthPerSecondScaled = growth;
        uint256 word = _read(store_, store_.indexOf(id));
        uint256 rate = uint32(word) == 0 ? 0 : uint88(word >> 80);
        if (rate == 0) revert NoRate();
        uint256 most = snapshotWad_ + growth * (block.timestamp - snapshotTime_) / SCALE;
        if (rate > most) revert CapBinds(rate, most);
    }

    /// @notice Largest rate that is returned now, 1e18.
    function capWad() public view returns (uint256) {
        return snapshotWad + growthPerSecondScaled * (block.timestamp - snapshotTime) / SCALE;
    }

    /// @notice Whether the rate is above the cap now.
    function isCapped() external view returns (bool) {
        return uint88(_word() >> 80) > capWad();
    }

    /// @inheritdoc BaseView
    function peek()
        public
        view
        override
        returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte)
    {
        uint256 word = _word();
        roundTime = uint32(word);
        if (roundTime == 0) return (0, 0, 0, 0);
        uint256 most = capWad();
        wad = uint88(word >> 80);
        if (wad > most) wad = most;
        updatedAt = _redemptionTime(word);
        if (updatedAt > block.timestamp) updatedAt = block.timestamp;
        statusByte = uint8(word >> 56);
    }

    /// @notice "BASE / QUOTE (capped)".
    function description() external view returns (string memory) {
        return _name(" (capped)");
    }
}
