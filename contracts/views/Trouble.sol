// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {BaseView} from "./BaseView.sol";

/// @notice Why a price must not be used. The numbers appear in the errors and in `StrictFeedView.trouble`.
enum Trouble {
    None,
    NoData,
    Halt,
    Stale,
    Sequencer
}

/// @dev The price in 1e18, when it was true, its round, and why it must not be used, if so.
function peekWithTrouble(BaseView source, uint256 maxAgeS)
    view
    returns (uint256 wad, uint256 updatedAt, uint256 roundTime, Trouble trouble)
{
    uint8 statusByte;
    (wad, updatedAt, roundTime, statusByte) = source.peek();
    if (wad == 0) trouble = Trouble.NoData;
    else if (statusByte & 0x0f == 4) trouble = Trouble.Halt;
    else if (updatedAt + maxAgeS < block.timestamp) trouble = Trouble.Stale;
}
