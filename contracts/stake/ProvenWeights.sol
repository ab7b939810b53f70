// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IStakedSet} from "../interfaces/IStakedSet.sol";

/// @title Which weight was proven to have lied, by epoch, and what part of an operator's stake follows from it
/// @dev Who lies alone may have cloned a machine. Operators who lie at the same time, with weight 2T - W together, are the least
///      that can have two contents sealed, and lose all. Only members of frozen sets are counted, so no loop is longer than three sets.
abstract contract ProvenWeights {
    uint256 internal constant WHOLE = 1e18;

    /// @dev Of an operator in an epoch. `weight` counts for others until the case is given back, at `returnedAt`.
    struct Record {
        uint96 weight;
        uint48 returnedAt;
        uint16 cases;
    }

    /// @notice What a lie costs if nobody else lied, 1e18 for all.
    uint256 public immutable minFraction;
    /// @notice What is proven of an operator in an epoch.
    mapping(uint256 epoch => mapping(address operator => Record)) public records;
    mapping(uint256 epoch => address[]) private liars;

    /// @notice Zero, out of bounds, or the first domain is not that of the set's store.
    error BadSettings();

    constructor(uint256 minFraction_) {
        if (minFraction_ == 0 || minFraction_ > WHOLE) revert BadSettings();
        minFraction = minFraction_;
    }

    /// @dev A new case of an operator in an epoch.
    function _count(address operator, uint256 epoch, uint96 weight) internal {
        Record storage record = records[epoch][operator];
        if (record.cases == 0) liars[epoch].push(operator);
        (record.weight, record.returnedAt, record.cases) = (weight, 0, record.cases + 1);
    }

    /// @dev Its case was given back.
    function _uncount(address operator, uint256 epoch) internal {
        Record storage record = records[epoch][operator];
        (record.weight, record.returnedAt) = (0, uint48(block.timestamp));
    }

    /// @dev Linear in the others' weight: `minFraction` alone, all where own and theirs reach 2T - W.
    function _due(address operator, uint256 epoch, uint256 weight, IStakedSet.Frozen memory frozen)
        internal
        view
        returns (uint256)
    {
        uint256 twice = 2 * uint256(frozen.threshold);
        if (twice <= uint256(frozen.total) + weight) return WHOLE;
        uint256 missing = twice - frozen.total - weight;
        uint256 others = _othersOf(operator, epoch);
        return others >= missing ? WHOLE : minFraction + (WHOLE - minFraction) * others / missing;
    }

    /// @dev Weight of the others that are proven for this epoch or one next to it: of each the most, once.
    function _othersOf(address operator, uint256 epoch) private view returns (uint256 sum) {
        uint256 first = epoch == 0 ? 0 : epoch - 1;
        for (uint256 e = first; e <= epoch + 1; ++e) {
            address[] storage there = liars[e];
            uint256 count = there.length;
            for (uint256 i; i < count; ++i) {
                address other = there[i];
                if (other != operator) sum += _mostOf(other, first, e, epoch + 1);
            }
        }
    }

    /// @dev The most of an operator's weights from `first` to `last`; 0 unless `at` is the first epoch in which it counts.
    function _mostOf(address operator, uint256 first, uint256 at, uint256 last) private view returns (uint256 most) {
        for (uint256 e = first; e <= last; ++e) {
            uint256 weight = records[e][operator].weight;
            if (e < at ? weight != 0 : e == at && weight == 0) return 0;
            if (weight > most) most = weight;
        }
    }
}
