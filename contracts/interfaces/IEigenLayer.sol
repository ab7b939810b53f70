// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

// The part of EigenLayer's core that is called, from its published interfaces (IAllocationManager of v1.4 to v1.12, IKeyRegistrar).

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
    function getStrategiesInOperatorSet(OperatorSet memory operatorSet) external view returns (address[] memory);
}

interface IKeyRegistrar {
    /// @dev `keyData` of an ECDSA key is its address, 20 bytes. Returns the operator even after it has left the set.
    function getOperatorFromSigningKey(OperatorSet memory operatorSet, bytes memory keyData)
        external
        view
        returns (address operator, bool registered);
}
