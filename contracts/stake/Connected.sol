// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IStakedSet} from "../interfaces/IStakedSet.sol";

/// @title Contracts that name one another: each is told once who the others are
abstract contract Connected {
    address private immutable maker;
    /// @notice Who signs, by stake.
    IStakedSet public set;
    /// @notice The only one that takes stake.
    address public penalties;
    /// @notice The only one that pays rewards out.
    address public rewards;

    /// @notice From here on nobody can change who the others are.
    event WasConnected(address indexed set, address indexed penalties, address indexed rewards);

    /// @notice The caller may not do this: see the function for who may.
    error NotAllowed(address caller);
    /// @notice The others are known already, or one of them is zero.
    error BadConnection();

    modifier onlyPenalties() {
        if (msg.sender != penalties) revert NotAllowed(msg.sender);
        _;
    }

    modifier onlyRewards() {
        if (msg.sender != rewards) revert NotAllowed(msg.sender);
        _;
    }

    /// @param maker_ calls `connect`; a deployment proxy makes contracts for others, so it is not the sender
    constructor(address maker_) {
        maker = maker_;
    }

    /// @notice Once, by the maker: who the others are. Before it nothing here can be used.
    function connect(IStakedSet set_, address penalties_, address rewards_) external {
        if (msg.sender != maker) revert NotAllowed(msg.sender);
        if (address(set) != address(0)) revert BadConnection();
        if (address(set_) == address(0) || penalties_ == address(0) || rewards_ == address(0)) revert BadConnection();
        (set, penalties, rewards) = (set_, penalties_, rewards_);
        emit WasConnected(address(set_), penalties_, rewards_);
        _connected();
    }

    /// @dev What a contract does once it knows the others.
    function _connected() internal virtual {}
}
