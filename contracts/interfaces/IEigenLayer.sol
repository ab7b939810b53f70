// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

// The part of EigenLayer's core that is called, from its published interfaces (v1.4 to v1.12).

struct OperatorSet {
    address avs;
    uint32 id;
}

interface IAllocationManager {
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
    }

    /// @dev Only the operator set's slasher may call it. `strategies` ascend; `wadsToSlash` are above 0, at most 1e18.
    ///      Up to v1.4 it returns nothing, from v1.5 on (uint256 slashId, uint256[] shares), under one selector: the return
    ///      data must not be decoded.
    function slashOperator(address avs, SlashingParams calldata params) external;
}

/// @dev What else of AllocationManager is called, in v1.4 to v1.12.
interface IOperatorSets is IAllocationManager {
    struct CreateSetParams {
        uint32 operatorSetId;
        address[] strategies;
    }

    /// @dev `CreateSetParamsV2` of v1.9 and later, where each set has one slasher.
    struct CreateSetParamsV2 {
        uint32 operatorSetId;
        address[] strategies;
        address slasher;
    }

    struct Allocation {
        uint64 currentMagnitude;
        int128 pendingDiff;
        uint32 effectBlock;
    }

    function delegation() external view returns (IDelegation);
    /// @dev Blocks for which what was deallocated, or whose operator has left the set, can still be slashed.
    // solhint-disable-next-line func-name-mixedcase
    function DEALLOCATION_DELAY() external view returns (uint32);
    function updateAVSMetadataURI(address avs, string calldata metadataURI) external;
    /// @dev Asks the registrar for `supportsAVS`.
    function setAVSRegistrar(address avs, address registrar) external;
    /// @dev Up to v1.8 whoever the service appointed slashes; from v1.9 on this makes the service itself the slasher.
    function createOperatorSets(address avs, CreateSetParams[] calldata params) external;
    function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external;
    function isMemberOfOperatorSet(address operator, OperatorSet memory operatorSet) external view returns (bool);
    /// @dev Also true of one that has left, for as long as it can be slashed.
    function isOperatorSlashable(address operator, OperatorSet memory operatorSet) external view returns (bool);
    function getAllocation(address operator, OperatorSet memory operatorSet, address strategy)
        external
        view
        returns (Allocation memory);
    function getMaxMagnitude(address operator, address strategy) external view returns (uint64);
    /// @dev Shares by operator and strategy. Deallocations that take effect until `futureBlock` are off; that an operator has left
    ///      the set is not: its shares are there until it cannot be slashed any more.
    function getMinimumSlashableStake(
        OperatorSet memory operatorSet,
        address[] memory operators,
        address[] memory strategies,
        uint32 futureBlock
    ) external view returns (uint256[][] memory);
}

interface IDelegation {
    /// @dev Blocks for which what was queued for withdrawal can still be slashed.
    function minWithdrawalDelayBlocks() external view returns (uint32);
    function operatorShares(address operator, address strategy) external view returns (uint256);
    function getSlashableSharesInQueue(address operator, address strategy) external view returns (uint256);
}

interface IStrategy {
    function underlyingToken() external view returns (address);
    function sharesToUnderlyingView(uint256 amountShares) external view returns (uint256);
}

/// @dev What AllocationManager calls of a service. It lets nobody in and nobody out if these revert.
interface IAVSRegistrar {
    function registerOperator(address operator, address avs, uint32[] calldata operatorSetIds, bytes calldata data) external;
    function deregisterOperator(address operator, address avs, uint32[] calldata operatorSetIds) external;
    function supportsAVS(address avs) external view returns (bool);
}

interface IRewardsCoordinator {
    struct StrategyAndMultiplier {
        address strategy;
        uint96 multiplier;
    }

    struct OperatorReward {
        address operator;
        uint256 amount;
    }

    struct OperatorDirectedRewardsSubmission {
        StrategyAndMultiplier[] strategiesAndMultipliers;
        address token;
        OperatorReward[] operatorRewards;
        uint32 startTimestamp;
        uint32 duration;
        string description;
    }

    // solhint-disable func-name-mixedcase
    function CALCULATION_INTERVAL_SECONDS() external view returns (uint32);
    function MAX_RETROACTIVE_LENGTH() external view returns (uint32);
    function GENESIS_REWARDS_TIMESTAMP() external view returns (uint32);
    // solhint-enable func-name-mixedcase
    function strategyManager() external view returns (IDeposits);
    /// @dev Start and duration are multiples of the interval, the end is past; strategies ascend and may be deposited into. The
    ///      amounts are drawn from the caller.
    function createOperatorDirectedOperatorSetRewardsSubmission(
        OperatorSet calldata operatorSet,
        OperatorDirectedRewardsSubmission[] calldata submissions
    ) external;
}

interface IDeposits {
    function strategyIsWhitelistedForDeposit(address strategy) external view returns (bool);
}
