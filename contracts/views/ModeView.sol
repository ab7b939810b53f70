// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";

/// @title ModeView: one price out of a market view and a redemption view, such as a capped one or a cross
/// @notice The lower, the higher, or the redemption rate unless the token is in depeg: then the market price, and linearly
///         blended over `rampS`, so that one change of status cannot liquidate everybody at once.
/// @dev The ramp moves up in depeg, holds in halt and moves down otherwise. It has to be notified when the status changes:
///      `poke`, by anybody. Until then a change counts from the newest round of any leg, as no older round can have brought
///      the status; in a halt the ramp goes on as before until it is poked.
contract ModeView is BaseView {
    uint256 private constant WHOLE = 1e6;
    uint8 private constant DEPEG = 3;
    uint8 private constant HALT = 4;
    uint8 private constant DOWN = 0;
    uint8 private constant HOLD = 1;
    uint8 private constant UP = 2;

    struct Ramp {
        uint40 at;
        uint32 ppm;
        uint8 way;
    }

    /// @notice The market price.
    BaseView public immutable market;
    /// @notice The redemption rate.
    BaseView public immutable redemption;
    /// @notice 2 the lower, 3 the higher, 4 the redemption rate unless depeg.
    uint8 public immutable mode;
    /// @notice Seconds from all redemption rate to all market price, in mode 4.
    uint32 public immutable rampS;

    Ramp private ramp;

    /// @notice The ramp continues from `ppm` in this direction: 0 down, 1 hold, 2 up.
    event Poked(uint256 ppm, uint8 way);

    /// @notice Not 2 to 4, mode 4 without a ramp, or a ramp in another mode.
    error BadMode(uint8 mode);
    /// @notice Both are the same view.
    error SameView();

    /// @param market_ a view of the market price
    /// @param redemption_ a view of the redemption rate
    /// @param mode_ 2 to 4
    /// @param rampS_ at least 1 in mode 4, else 0
    /// @param decimals_ 1 to 18; answers are rounded down to them
    constructor(BaseView market_, BaseView redemption_, uint8 mode_, uint32 rampS_, uint8 decimals_)
        BaseView(decimals_)
    {
        if (address(market_) == address(redemption_)) revert SameView();
        if (mode_ < 2 || mode_ > 4 || (mode_ == 4) != (rampS_ != 0)) revert BadMode(mode_);
        (market, redemption, mode, rampS) = (market_, redemption_, mode_, rampS_);
        ramp.at = uint40(block.timestamp);
    }

    /// @inheritdoc BaseView
    /// @dev Age of the older, status of the worse; a price of 0 is absent and does not count.
    function peek()
        public
        view
        override
        returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte)
    {
        (uint256 a, uint256 timeA, uint256 roundA, uint8 statusA) = market.peek();
        (uint256 b, uint256 timeB, uint256 roundB, uint8 statusB) = redemption.peek();
        if (a == 0 || b == 0) {
            return a == 0 ? (b, timeB, roundB, statusB) : (a, timeA, roundA, statusA);
        }
        updatedAt = timeA < timeB ? timeA : timeB;
        roundTime = roundA < roundB ? roundA : roundB;
        statusByte = statusB & 0x0f > statusA & 0x0f ? statusB : statusA;
        if (mode != 4) return ((a < b) == (mode == 2) ? a : b, updatedAt, roundTime, statusByte);
        uint256 ppm = _ppm(statusByte & 0x0f);
        if (ppm == 0) updatedAt = timeB;
        wad = (a * ppm + b * (WHOLE - ppm)) / WHOLE;
    }

    /// @notice Share of the market price in mode 4 now, in millionths.
    function rampPpm() external view returns (uint256) {
        (,,, uint8 statusByte) = peek();
        return _ppm(statusByte & 0x0f);
    }

    /// @notice Record the ramp's position and its direction from now on. Anybody may; it changes no price at this moment.
    function poke() external {
        (,,, uint8 statusByte) = peek();
        uint256 ppm = _ppm(statusByte & 0x0f);
        uint8 way = _way(statusByte & 0x0f);
        ramp = Ramp({at: uint40(block.timestamp), ppm: uint32(ppm), way: way});
        emit Poked(ppm, way);
    }

    /// @inheritdoc BaseView
    function newestRound() public view override returns (uint256) {
        (uint256 a, uint256 b) = (market.newestRound(), redemption.newestRound());
        return a > b ? a : b;
    }

    /// @inheritdoc BaseView
    function spreadBps() public view override returns (uint256) {
        (uint256 a, uint256 b) = (market.spreadBps(), redemption.spreadBps());
        return a > b ? a : b;
    }

    /// @inheritdoc BaseView
    function heartbeat() external view override returns (uint32) {
        uint32 a = market.heartbeat();
        uint32 b = redemption.heartbeat();
        return a > b ? a : b;
    }

    /// @notice "min of A and B", with both views' descriptions.
    function description() external view returns (string memory) {
        string[5] memory names = ["", "", "min of ", "max of ", "redemption unless depeg of "];
        return string.concat(names[mode], market.description(), " and ", redemption.description());
    }

    /// @dev If the status has changed since the last poke, the recorded direction ran until the newest round at most, and not
    ///      before the poke: the push that changed the status was of that round or an earlier one; the oldest leg's round
    ///      says nothing about it. The start of a halt is not known, as a pause has no round; so in a halt the recorded
    ///      direction goes on until `poke` holds it. Otherwise a pause would take back what the ramp has moved since the
    ///      last round.
    function _ppm(uint8 status_) private view returns (uint256) {
        Ramp memory noted = ramp;
        uint8 way = _way(status_);
        if (way == noted.way || way == HOLD) return _moved(noted.ppm, noted.way, noted.at, block.timestamp);
        uint256 changed = newestRound();
        if (changed > block.timestamp) changed = block.timestamp;
        if (changed < noted.at) changed = noted.at;
        return _moved(_moved(noted.ppm, noted.way, noted.at, changed), way, changed, block.timestamp);
    }

    function _moved(uint256 ppm, uint8 way, uint256 from, uint256 to) private view returns (uint256) {
        if (way == HOLD || rampS == 0) return ppm;
        uint256 step = (to - from) * WHOLE / rampS;
        if (way == UP) return step < WHOLE - ppm ? ppm + step : WHOLE;
        return step < ppm ? ppm - step : 0;
    }

    function _way(uint8 status_) private pure returns (uint8) {
        if (status_ == DEPEG) return UP;
        return status_ == HALT ? HOLD : DOWN;
    }
}
