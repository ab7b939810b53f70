// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title The parts of Symbiotic's core v1 and rewards that are called
/// @dev Signatures only, as the deployed contracts have them. A subnetwork is a network's address and 96 bits of its choice.
interface ISymbioticRegistry {
    function isEntity(address entity) external view returns (bool);
    function registerNetwork() external;
}

interface ISymbioticMiddleware {
    function setMiddleware(address middleware) external;
}

interface ISymbioticVault {
    function version() external view returns (uint64);
    function isInitialized() external view returns (bool);
    function collateral() external view returns (address);
    function burner() external view returns (address);
    function delegator() external view returns (address);
    function slasher() external view returns (address);
    function epochDuration() external view returns (uint48);
    function activeStake() external view returns (uint256);
    function totalStake() external view returns (uint256);
    function currentEpoch() external view returns (uint256);
    function epochAt(uint48 timestamp) external view returns (uint256);
    function withdrawals(uint256 epoch) external view returns (uint256);
}

interface ISymbioticDelegator {
    function TYPE() external view returns (uint64);
    function stake(bytes32 subnetwork, address operator) external view returns (uint256);
    function stakeAt(bytes32 subnetwork, address operator, uint48 timestamp, bytes calldata hints)
        external
        view
        returns (uint256);
    function networkLimit(bytes32 subnetwork) external view returns (uint256);
    function maxNetworkLimit(bytes32 subnetwork) external view returns (uint256);
    function setMaxNetworkLimit(uint96 identifier, uint256 amount) external;
}

/// @dev The instant slasher and the one with a veto have one interface here: which calls a slasher has follows from its type.
interface ISymbioticSlasher {
    function TYPE() external view returns (uint64);
    function slashableStake(bytes32 subnetwork, address operator, uint48 capture, bytes calldata hints)
        external
        view
        returns (uint256);
    function latestSlashedCaptureTimestamp(bytes32 subnetwork, address operator) external view returns (uint48);
    function cumulativeSlash(bytes32 subnetwork, address operator) external view returns (uint256);
    function cumulativeSlashAt(bytes32 subnetwork, address operator, uint48 timestamp, bytes calldata hint)
        external
        view
        returns (uint256);
    function slash(bytes32 subnetwork, address operator, uint256 amount, uint48 capture, bytes calldata hints)
        external
        returns (uint256);
    function vetoDuration() external view returns (uint48);
    function resolver(bytes32 subnetwork, bytes calldata hint) external view returns (address);
    function setResolver(uint96 identifier, address resolver, bytes calldata hints) external;
    function requestSlash(bytes32 subnetwork, address operator, uint256 amount, uint48 capture, bytes calldata hints)
        external
        returns (uint256 index);
    function executeSlash(uint256 index, bytes calldata hints) external returns (uint256);
    function vetoSlash(uint256 index, bytes calldata hints) external;
}

interface ISymbioticOperatorRewards {
    function create() external returns (address);
    function distributeRewards(address network, address token, uint256 amount, bytes32 root) external;
}

interface ISymbioticStakerRewards {
    /// @dev Of a clone: its vault, the fee of its admin, and who may do what; nobody and nothing here.
    struct InitParams {
        address vault;
        uint256 adminFee;
        address defaultAdminRoleHolder;
        address adminFeeClaimRoleHolder;
        address adminFeeSetRoleHolder;
    }

    function create(InitParams calldata params) external returns (address);
    function distributeRewards(address network, address token, uint256 amount, bytes calldata data) external;
}

interface IWrappedEther {
    function deposit() external payable;
}

/// @dev A network that is its own middleware, as the list of its vaults sees it.
interface ISymbioticNetwork {
    /// @notice Only its list: let the delegator's curator give stake, and become the resolver where there is a veto.
    function adopt(ISymbioticDelegator delegator, ISymbioticSlasher slasher, bool vetoes) external;
}
