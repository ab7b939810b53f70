// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPriceStore} from "../interfaces/IPriceStore.sol";
import {TokenView} from "./TokenView.sol";

/// @title FeedView: one token of a PriceStore through the interfaces that lenders already use
/// @notice Mode, decimals and token are fixed and named by the description: "weETH / ETH (min)".
contract FeedView is TokenView {
    /// @notice 0 market, 1 redemption, 2 the lower of both, 3 the higher of both.
    uint8 public immutable mode;

    /// @notice Not 0 to 3, or a price that the token never has.
    error BadMode(uint8 mode);

    /// @param store_ where the token is registered
    /// @param id its feed id
    /// @param mode_ a price that the token has
    /// @param decimals_ 1 to 18; answers are rounded down to them
    /// @param heartbeat_ seconds
    constructor(IPriceStore store_, bytes32 id, uint8 mode_, uint8 decimals_, uint32 heartbeat_)
        TokenView(store_, id, decimals_, heartbeat_)
    {
        (bool hasMarket, bool hasRedemption) = store_.presence(store_.indexOf(id));
        if (mode_ > 3 || (mode_ == 0 && !hasMarket) || (mode_ == 1 && !hasRedemption)) revert BadMode(mode_);
        mode = mode_;
    }

    /// @inheritdoc BaseView
    /// @dev updatedAt of a market price is the time of its oldest input, of a redemption rate roundTime, of both the older.
    ///      Never later than the block: some consumers underflow on a time in the future.
    function peek()
        public
        view
        override
        returns (uint256 wad, uint256 updatedAt, uint256 roundTime, uint8 statusByte)
    {
        uint256 word = _word();
        roundTime = uint32(word);
        if (roundTime == 0) return (0, 0, 0, 0);
        wad = _pick(word >> 168, uint88(word >> 80));
        if (word & HELD != 0) updatedAt = _timeOf(word);
        else updatedAt = mode == 1 ? roundTime : roundTime - uint16(word >> 40);
        if (updatedAt > block.timestamp) updatedAt = block.timestamp;
        statusByte = uint8(word >> 56);
    }

    /// @notice "BASE / QUOTE (mode)".
    function description() external view returns (string memory) {
        string[4] memory names = [" (market)", " (redemption)", " (min)", " (max)"];
        return _name(names[mode]);
    }

    /// @dev When the shown price of a word was true; for modes min and max the older of both, whichever is shown.
    function _timeOf(uint256 word) private view returns (uint256) {
        if (mode == 0) return _marketTime(word);
        uint256 owed = _redemptionTime(word);
        if (mode == 1) return owed;
        uint256 paid = _marketTime(word);
        return paid < owed ? paid : owed;
    }

    /// @dev A price of 0 is absent: the other is then both the lower and the higher.
    function _pick(uint256 market, uint256 redemption) private view returns (uint256) {
        if (mode == 0 || redemption == 0) return mode == 1 ? 0 : market;
        if (mode == 1 || market == 0) return redemption;
        return (market < redemption) == (mode == 2) ? market : redemption;
    }
}
