// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {SetBefore, Weighed, WeightRules, changeLimit, weigh} from "../../../contracts/stake/SetWeights.sol";

/// The arithmetic of weights, to call it. For tests only.
contract WeightsHarness {
    function weighed(
        uint256[] memory stakes,
        uint256[] memory previous,
        uint256 threshold,
        uint256 total,
        WeightRules memory rules
    ) external pure returns (Weighed memory) {
        return weigh(stakes, previous, SetBefore(threshold, changeLimit(threshold, total)), rules);
    }
}
