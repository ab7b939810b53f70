// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Weights and thresholds of a signer set from stakes: arithmetic only. A weight never exceeds its stake.
//
// Why a quorum of one set and one of the next share weight: who is outside a quorum of the first has W - T of it at most, so
// W - T + rises in the next, and to reach its T alone that would have to be T - fall; so rises + fall would be 2T - W or more.
// They are half of it at most.

uint256 constant BPS = 10_000;

/// @dev Fixed when the set is deployed.
/// @param capBps largest share of one weight in the total
/// @param thresholdBps T is the least above this part of the total; more than 6,666
/// @param stepBps the same for the step threshold; at least thresholdBps
struct WeightRules {
    uint256 capBps;
    uint256 thresholdBps;
    uint256 stepBps;
}

/// @dev The set that the next one follows: T, and the most that weights may rise by and T may fall by, together. T is zero if there
///      is none: then nothing is limited.
struct SetBefore {
    uint256 threshold;
    uint256 limit;
}

/// @dev T is above the total if so much stake has left that no set can be made.
struct Weighed {
    uint256[] weights;
    uint256 threshold;
    uint256 stepThreshold;
    uint256 total;
}

/// @dev Weights and thresholds of the next set.
/// @param stakes of its members, in any order
/// @param previous weights of the same members in the set before; 0 for who was in none
function weigh(uint256[] memory stakes, uint256[] memory previous, SetBefore memory before, WeightRules memory rules)
    pure
    returns (Weighed memory next)
{
    next.weights = cappedWeights(stakes, rules.capBps);
    uint256 least;
    if (before.threshold != 0) {
        limitRises(next.weights, previous, before.limit);
        // what was cut from rises makes the total smaller, and with it what one share may be
        next.weights = cappedWeights(next.weights, rules.capBps);
        uint256 fall = before.limit - risesOf(next.weights, previous);
        least = before.threshold > fall ? before.threshold - fall : 0;
    }
    next.total = sumOf(next.weights);
    uint256 natural = (next.total * rules.thresholdBps) / BPS + 1;
    next.threshold = natural > least ? natural : least;
    uint256 step = (next.total * rules.stepBps) / BPS + 1;
    if (step > next.total) step = next.total;
    next.stepThreshold = step > next.threshold ? step : next.threshold;
}

/// @dev Half of 2T - W.
function changeLimit(uint256 threshold, uint256 total) pure returns (uint256) {
    return 2 * threshold > total ? (2 * threshold - total) / 2 : 0;
}

/// @dev Each stake, but none above the highest level at which no share is above the cap. With too few members for that, all weigh
///      as much as the least of them.
function cappedWeights(uint256[] memory stakes, uint256 capBps) pure returns (uint256[] memory weights) {
    uint256 level = capLevel(stakes, capBps);
    weights = new uint256[](stakes.length);
    for (uint256 i; i < weights.length; ++i) weights[i] = stakes[i] < level ? stakes[i] : level;
}

/// @dev Who is above a level that is too high is above the right one too. So each pass cuts those who are, and the level that
///      they and the others then allow is the next: it only falls, and ends at the highest that is right.
function capLevel(uint256[] memory stakes, uint256 capBps) pure returns (uint256 level) {
    uint256 count = stakes.length;
    level = type(uint256).max;
    if (count * capBps < BPS) {
        for (uint256 i; i < count; ++i) {
            if (stakes[i] < level) level = stakes[i];
        }
        return level;
    }
    for (uint256 cut; cut < count;) {
        uint256 rest;
        uint256 above;
        for (uint256 i; i < count; ++i) {
            if (stakes[i] > level) ++above;
            else rest += stakes[i];
        }
        if (level != type(uint256).max && above == cut) return level;
        cut = above;
        level = (rest * capBps) / (BPS - cut * capBps);
    }
}

/// @dev Cuts rises pro rata, so that together they are no more than the limit. Falls stay as they are.
function limitRises(uint256[] memory weights, uint256[] memory previous, uint256 limit) pure {
    uint256 rises = risesOf(weights, previous);
    if (rises <= limit) return;
    for (uint256 i; i < weights.length; ++i) {
        if (weights[i] <= previous[i]) continue;
        weights[i] = previous[i] + ((weights[i] - previous[i]) * limit) / rises;
    }
}

/// @dev What weights rise by, together.
function risesOf(uint256[] memory weights, uint256[] memory previous) pure returns (uint256 rises) {
    for (uint256 i; i < weights.length; ++i) {
        if (weights[i] > previous[i]) rises += weights[i] - previous[i];
    }
}

function sumOf(uint256[] memory values) pure returns (uint256 sum) {
    for (uint256 i; i < values.length; ++i) sum += values[i];
}
