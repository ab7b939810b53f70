// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";
import {IPriceStore} from "../interfaces/IPriceStore.sol";

/// @title What the views of one token of a PriceStore share: where it is, and how it is read
abstract contract TokenView is BaseView {
    /// @notice Where the token is registered.
    IPriceStore public immutable store;
    /// @notice The token's id there.
    bytes32 public immutable feedId;
    /// @inheritdoc BaseView
    uint32 public immutable override heartbeat;
    uint16 internal immutable index;

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
        return uint32(word) == 0 ? 0 : uint16(word >> 64);
    }

    /// @notice The whole record, both prices and both ages.
    function report() external view returns (IPriceStore.Report memory) {
        return store.latest(feedId);
    }

    /// @dev The store's cheapest read: two bytes in, the word out. That the store is one was seen in the constructor.
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

    /// @dev "BASE / QUOTE" and what follows.
    function _name(string memory suffix) internal view returns (string memory) {
        bytes memory out;
        for (uint256 i; i < 32 && feedId[i] != 0; ++i) {
            out = feedId[i] == "/" ? bytes.concat(out, " / ") : bytes.concat(out, feedId[i]);
        }
        return string.concat(string(out), suffix);
    }
}
