// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {SetBefore, Weighed, WeightRules, weigh} from "./SetWeights.sol";

/// @title WeightMath: the arithmetic of weights as a contract of its own, made by each set for itself
/// @notice Holds nothing and decides nothing: anybody can ask what weights follow from stakes.
contract WeightMath {
    /// @notice Weights and thresholds of the next set: `SetWeights.sol` says how.
    /// @param stakes of its members, in any order
    /// @param previous weights of the same members in the set before; 0 for who was in none
    /// @param before T of that set and how much may change; zeros if there is none
    /// @param rules cap and thresholds
    function weightsOf(
        uint256[] calldata stakes,
        uint256[] calldata previous,
        SetBefore calldata before,
        WeightRules calldata rules
    ) external pure returns (Weighed memory) {
        return weigh(stakes, previous, before, rules);
    }
}
