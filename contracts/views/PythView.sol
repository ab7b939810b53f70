// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPythRead} from "../interfaces/IPythRead.sol";

/// @title PythView: the read side of a Pyth contract over any views, by ids chosen here
/// @notice Price and confidence with 8 decimals; the confidence is the spread of the price, rounded up. The
///         functions for averages, updates and fees are not implemented. The errors are Pyth's own.
contract PythView is IPythRead {
    int32 private constant EXPO = -8;
    uint256 private constant UNIT = 1e10;
    uint256 private constant MOST = uint64(type(int64).max);

    mapping(bytes32 id => BaseView) private views;

    /// @notice No such id, or no data yet.
    error PriceFeedNotFound();
    /// @notice The price is older than `age`, or halted.
    error StalePrice();
    /// @notice Not one view for each id, or an id twice.
    error BadIds();

    /// @param ids any, such as feed ids of the store
    /// @param views_ one for each
    constructor(bytes32[] memory ids, BaseView[] memory views_) {
        if (ids.length == 0 || ids.length != views_.length) revert BadIds();
        for (uint256 i; i < ids.length; ++i) {
            if (address(views[ids[i]]) != address(0)) revert BadIds();
            views[ids[i]] = views_[i];
        }
    }

    /// @inheritdoc IPythRead
    /// @dev Whatever its age and status; a price beyond 64 bits, or too small for 8 decimals, counts as missing.
    function getPriceUnsafe(bytes32 id) external view returns (Price memory price) {
        (price,) = _price(id);
    }

    /// @inheritdoc IPythRead
    function getPriceNoOlderThan(bytes32 id, uint256 age) external view returns (Price memory price) {
        bool halted;
        (price, halted) = _price(id);
        if (halted || block.timestamp - price.publishTime > age) revert StalePrice();
    }

    function _price(bytes32 id) private view returns (Price memory price, bool halted) {
        BaseView source = views[id];
        if (address(source) == address(0)) revert PriceFeedNotFound();
        (uint256 wad, uint256 updatedAt,, uint8 statusByte) = source.peek();
        uint256 conf = (wad * source.spreadBps() + 10_000 * UNIT - 1) / (10_000 * UNIT);
        if (wad / UNIT == 0 || wad / UNIT > MOST || conf > MOST) revert PriceFeedNotFound();
        price = Price({price: int64(uint64(wad / UNIT)), conf: uint64(conf), expo: EXPO, publishTime: updatedAt});
        halted = statusByte & 0x0f == 4;
    }
}
