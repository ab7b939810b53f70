// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAllocationManager, IKeyRegistrar, OperatorSet} from "../interfaces/IEigenLayer.sol";
import {ISlasher} from "../interfaces/ISlasher.sol";

/// @title EigenSlasher: forwards a proven equivocation to EigenLayer
/// @notice The slasher of the operator set; only the registry may call it. Report keys are the ECDSA keys that operators
///         registered for the set in EigenLayer's KeyRegistrar.
contract EigenSlasher is ISlasher {
    /// @notice The only caller that may slash; set once, by the deployer of this contract.
    address public registry;
    address private immutable maker;
    IAllocationManager public immutable allocations;
    IKeyRegistrar public immutable keys;
    /// @notice The service that the operator set belongs to.
    address public immutable avs;
    /// @notice Id of the operator set.
    uint32 public immutable setId;
    /// @notice Evidence that was already forwarded.
    mapping(bytes32 evidence => bool) public done;

    /// @notice Forwarded; EigenLayer's own event in the same transaction says what was slashed.
    event Slashed(address indexed operator, bytes32 indexed evidence);

    /// @notice The caller is not the registry.
    error NotRegistry(address caller);
    /// @notice The registry is already set.
    error AlreadySet();
    /// @notice The key belongs to no operator in EigenLayer.
    error UnknownKey(address signer);
    /// @notice This evidence was already forwarded.
    error Repeated(bytes32 evidence);

    constructor(IAllocationManager allocations_, IKeyRegistrar keys_, address avs_, uint32 setId_) {
        (allocations, keys, avs, setId, maker) = (allocations_, keys_, avs_, setId_, msg.sender);
    }

    /// @notice Set the registry; works once.
    function setRegistry(address registry_) external {
        if (msg.sender != maker) revert NotRegistry(msg.sender);
        if (registry != address(0)) revert AlreadySet();
        registry = registry_;
    }

    /// @inheritdoc ISlasher
    /// @dev An operator that has left the set stays slashable for EigenLayer's deallocation delay, so whether
    ///      the key is still registered is not checked.
    function slash(address signer, uint256 fraction, bytes32 evidence) external {
        if (msg.sender != registry) revert NotRegistry(msg.sender);
        if (done[evidence]) revert Repeated(evidence);
        done[evidence] = true;
        OperatorSet memory operatorSet = OperatorSet(avs, setId);
        (address operator,) = keys.getOperatorFromSigningKey(operatorSet, abi.encodePacked(signer));
        if (operator == address(0)) revert UnknownKey(signer);
        address[] memory strategies = allocations.getStrategiesInOperatorSet(operatorSet);
        for (uint256 i = 1; i < strategies.length; ++i) {
            for (uint256 j = i; j > 0 && strategies[j - 1] > strategies[j]; --j) {
                (strategies[j - 1], strategies[j]) = (strategies[j], strategies[j - 1]);
            }
        }
        uint256[] memory wads = new uint256[](strategies.length);
        for (uint256 i; i < wads.length; ++i) wads[i] = fraction;
        allocations.slashOperator(
            avs, IAllocationManager.SlashingParams(operator, setId, strategies, wads, "lrt-oracle: two words for one round")
        );
        emit Slashed(operator, evidence);
    }
}
