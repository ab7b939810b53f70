// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// @dev Answers as Arbitrum's ArbSys at address 100 does, with a block that no test chain has.
contract ArbSysStandIn {
    function arbBlockNumber() external pure returns (uint256) {
        return 271_828_182;
    }
}
