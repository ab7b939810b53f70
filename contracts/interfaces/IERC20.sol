// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The part of ERC-20 that is used
interface IERC20 {
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}
