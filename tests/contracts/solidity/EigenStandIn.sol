// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// A stand-in for EigenLayer's AllocationManager and KeyRegistrar, for what the real one of v1.4 (test_eigenlayer.py)
// lacks: the KeyRegistrar, a slasher to each set, and the two forms in which `slashOperator` answers. It keeps the rules that
// a slasher meets, as their sources and documents say: only the operator set's slasher slashes, an operator must be
// slashable in the set, strategies ascend and belong to the set, fractions are above 0 and at most 1e18 and come off the
// allocated magnitude, an operator that left stays slashable for a while. It keeps no shares, delays or queues of its own.

import {IAllocationManager, IKeyRegistrar, OperatorSet} from "contracts/interfaces/IEigenLayer.sol";

contract EigenStandIn is IAllocationManager, IKeyRegistrar {
    address[] private strategies;
    address public slasher;
    uint256 private slashes;
    bool private immutable tells;
    mapping(bytes32 => address) private operatorOf;
    mapping(address => uint256) public slashableUntil;
    mapping(address => mapping(address => uint256)) public magnitude;

    event OperatorSlashed(address operator, OperatorSet operatorSet, address[] strategies, uint256[] wads, string why);

    error InvalidCaller();
    error InputArrayLengthMismatch();
    error InvalidWadToSlash();
    error OperatorNotSlashable();
    error StrategiesMustBeInAscendingOrder();

    /// @param tells_ whether `slashOperator` returns (slashId, shares), as from v1.5 on, or nothing, as in v1.4
    constructor(address[] memory strategies_, bool tells_) {
        (strategies, tells) = (strategies_, tells_);
    }

    function setSlasher(address slasher_) external {
        slasher = slasher_;
    }

    function register(address operator, address key) external {
        operatorOf[keccak256(abi.encodePacked(key))] = operator;
        slashableUntil[operator] = type(uint256).max;
        for (uint256 i; i < strategies.length; ++i) magnitude[operator][strategies[i]] = 1e18;
    }

    function deregister(address operator, uint256 delayS) external {
        slashableUntil[operator] = block.timestamp + delayS;
    }

    /// As the registrar of an operator set of the real core: everybody may join.
    function supportsAVS(address) external pure returns (bool) {
        return true;
    }

    /// As the pod manager of the real core: nobody has a validator.
    function stakerDepositShares(address, address) external pure returns (uint256) {
        return 0;
    }

    function registerOperator(address, address, uint32[] calldata, bytes calldata) external pure {}

    function getStrategiesInOperatorSet(OperatorSet memory) external view returns (address[] memory) {
        return strategies;
    }

    function getOperatorFromSigningKey(OperatorSet memory, bytes memory keyData) external view returns (address, bool) {
        address operator = operatorOf[keccak256(keyData)];
        return (operator, slashableUntil[operator] == type(uint256).max);
    }

    function slashOperator(address avs, SlashingParams calldata params) external {
        uint256[] memory shares = _slash(avs, params);
        if (!tells) return;
        bytes memory told = abi.encode(++slashes, shares);
        assembly {
            return(add(told, 32), mload(told))
        }
    }

    function _slash(address avs, SlashingParams calldata params) private returns (uint256[] memory shares) {
        if (msg.sender != slasher) revert InvalidCaller();
        if (params.strategies.length != params.wadsToSlash.length) revert InputArrayLengthMismatch();
        if (block.timestamp >= slashableUntil[params.operator]) revert OperatorNotSlashable();
        shares = new uint256[](params.strategies.length);
        for (uint256 i; i < params.strategies.length; ++i) {
            address strategy = params.strategies[i];
            if (i != 0 && strategy <= params.strategies[i - 1]) revert StrategiesMustBeInAscendingOrder();
            uint256 wad = params.wadsToSlash[i];
            if (wad == 0 || wad > 1e18) revert InvalidWadToSlash();
            shares[i] = magnitude[params.operator][strategy] * wad / 1e18;
            magnitude[params.operator][strategy] -= shares[i];
        }
        OperatorSet memory operatorSet = OperatorSet(avs, params.operatorSetId);
        emit OperatorSlashed(params.operator, operatorSet, params.strategies, params.wadsToSlash, params.description);
    }
}
