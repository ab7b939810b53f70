// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Whose word of stake counts
interface ISources {
    /// @notice Whether this is one of the set's sources of stake.
    function isSource(address source) external view returns (bool);
}
