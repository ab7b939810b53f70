// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";

/// @title DiaView: DIA's `getValue(string)` over any views
/// @notice 8 decimals, rounded down, whatever the view has. Zeros for an unknown key and for one without data, as in DIA's
///         oracles, and for a price that does not fit. The timestamp is when the price was true, so a consumer's own age
///         check works.
contract DiaView {
    mapping(bytes32 key => BaseView) private views;

    /// @notice Not one view for each key, or a key twice.
    error BadKeys();

    /// @param keys such as "weETH/USD"
    /// @param views_ one for each
    constructor(string[] memory keys, BaseView[] memory views_) {
        if (keys.length == 0 || keys.length != views_.length) revert BadKeys();
        for (uint256 i; i < keys.length; ++i) {
            bytes32 key = keccak256(bytes(keys[i]));
            if (address(views[key]) != address(0)) revert BadKeys();
            views[key] = views_[i];
        }
    }

    /// @notice Price with 8 decimals, and when it was true.
    function getValue(string calldata key) external view returns (uint128 value, uint128 timestamp) {
        BaseView source = views[keccak256(bytes(key))];
        if (address(source) == address(0)) return (0, 0);
        (uint256 wad, uint256 updatedAt,,) = source.peek();
        wad /= 1e10;
        return wad == 0 || wad > type(uint128).max ? (0, 0) : (uint128(wad), uint128(updatedAt));
    }
}
