// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPriceStore} from "../interfaces/IPriceStore.sol";

/// @title Base of the views of one token of a PriceStore: where it is registered and how it is read
abstract contract TokenView is BaseView {
    /// @notice Where the token is registered.
    IPriceStore public immutable store;
    /// @notice The token's id there.
    bytes32 public immutable feedId;
    /// @inheritdoc BaseView
    uint32 public immutable override heartbeat;
    uint16 internal immutable index;
    // bits of the store's word: which prices are held, and the spread below them
    uint256 private constant MARKET_HELD = 1 << 79;
    uint256 private constant REDEMPTION_HELD = 1 << 78;
    uint256 internal constant HELD = MARKET_HELD | REDEMPTION_HELD;
    uint256 private constant SPREAD = 0x3fff;

    /// @param store_ where the token is registered
    /// @param id its feed id
    /// @param decimals_ 1 to 18; answers are rounded down to them
    /// @param heartbeat_ seconds
    constructor(IPriceStore store_, bytes32 id, uint8 decimals_, uint32 heartbeat_) BaseView(decimals_) {
        index = store_.indexOf(id);
        (store, feedId, heartbeat) = (store_, id, heartbeat_);
    }

    /// @inheritdoc BaseView
    function spreadBps() public view override returns (uint256) {
        uint256 word = _word();
        return uint32(word) == 0 ? 0 : (word >> 64) & SPREAD;
    }

    /// @inheritdoc BaseView
    function newestRound() public view override returns (uint256) {
        return uint32(_word());
    }

    /// @notice The whole record, both prices and both ages.
    function report() external view returns (IPriceStore.Report memory) {
        return store.latest(feedId);
    }

    /// @dev The store's cheapest read: two bytes in, the word out. The constructor has checked that the store is one.
    function _word() internal view returns (uint256 word) {
        return _read(store, index);
    }

    function _read(IPriceStore from, uint256 at) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            mstore(0, shl(240, at))
            if iszero(staticcall(gas(), from, 0, 2, 0, 32)) { revert(0, 0) }
            word := mload(0)
        }
    }

    /// @dev When the market price of a word was true: the time of its oldest input. While it is held, that of the round it
    ///      came with, whatever was pushed since.
    function _marketTime(uint256 word) internal view returns (uint256) {
        return word & MARKET_HELD == 0 ? uint256(uint32(word)) - uint16(word >> 40) : _heldTime(0);
    }

    /// @dev When the redemption rate of a word was true: at roundTime, or as above while it is held.
    function _redemptionTime(uint256 word) internal view returns (uint256) {
        return word & REDEMPTION_HELD == 0 ? uint32(word) : _heldTime(1);
    }

    /// @dev `trueAt` of a held price, read with three bytes: the index, and 0 for the market or 1 for the redemption.
    function _heldTime(uint256 which) private view returns (uint256 time) {
        IPriceStore from = store;
        uint256 what = (uint256(index) << 240) | (which << 232);
        assembly ("memory-safe") {
            mstore(0, what)
            if iszero(staticcall(gas(), from, 0, 3, 0, 32)) { revert(0, 0) }
            time := and(mload(0), 0xffffffff)
        }
    }

    /// @dev "BASE / QUOTE" and the suffix.
    function _name(string memory suffix) internal view returns (string memory) {
        bytes memory out;
        for (uint256 i; i < 32 && feedId[i] != 0; ++i) {
            out = feedId[i] == "/" ? bytes.concat(out, " / ") : bytes.concat(out, feedId[i]);
        }
        return string.concat(string(out), suffix);
    }
}
