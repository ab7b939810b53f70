// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// @notice Arbitrum's own contract at address 100: there `block.number` is a block of Ethereum.
/// @dev Source: Arbitrum's documents, "Block numbers and time", and ArbSys of nitro's precompiles.
interface IArbSys {
    /// @notice Number of the block, as nodes of that chain have it.
    function arbBlockNumber() external view returns (uint256);
}
