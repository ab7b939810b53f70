// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAVSRegistrar, IDelegation, IOperatorSets, OperatorSet} from "contracts/interfaces/IEigenLayer.sol";

// A stand-in for the core of v1.9 and later, for a service that registers, weighs and slashes by it: AllocationManager and what
// is asked of DelegationManager, from the published interfaces. What is new there: each set has one slasher, which is named when
// the set is made; the old way of making a set makes the service the slasher, and is to go; and `slashOperator` answers. It keeps the
// rules that a slasher meets: only the set's slasher slashes, an operator must be slashable in the set, strategies ascend,
// fractions are above 0 and at most 1e18 and come off the allocated magnitude, an operator that left stays slashable for a while.
// What is slashed is counted under the slash's number first, and burned in a step of its own, by anybody, or paid to whom a
// redistributing set names for good. Everything is allocated in full, nothing is queued, and nobody's shares leave.
contract EigenLaterStandIn is IOperatorSets, IDelegation {
    uint32 public constant DEALLOCATION_DELAY = 100;
    uint32 public constant minWithdrawalDelayBlocks = 100;
    bool private immutable oldWayGone;
    bool private immutable tells;
    address[] private strategies;
    address public slasher;
    uint256 public slashes;
    mapping(address operator => uint256) public slashableUntil;
    mapping(address operator => mapping(address strategy => uint256)) public magnitude;
    mapping(address avs => address) public registrar;
    mapping(address avs => string) public metadata;
    mapping(address operator => mapping(address strategy => uint256)) public operatorShares;
    address private constant BURNED = 0x00000000000000000000000000000000000E16E4;
    mapping(address avs => address) private recipients;
    mapping(uint256 slashId => mapping(address strategy => uint256)) public waiting;
    mapping(address to => uint256) public paid;

    event OperatorSlashed(address operator, OperatorSet operatorSet, address[] strategies, uint256[] wads, string why);

    error InvalidCaller();
    error InputArrayLengthMismatch();
    error InvalidWadToSlash();
    error OperatorNotSlashable();
    error StrategiesMustBeInAscendingOrder();
    error OldWayGone();
    error InvalidAVSRegistrar();
    error NonexistentAVSMetadata();

    modifier onlyFor(address avs) {
        if (msg.sender != avs) revert InvalidCaller();
        _;
    }

    /// @param tells_ whether `slashOperator` returns (slashId, shares), as from v1.5 on, or nothing, as in v1.4
    /// @param oldWayGone_ whether a set without a slasher can still be made
    constructor(bool tells_, bool oldWayGone_) {
        (tells, oldWayGone) = (tells_, oldWayGone_);
    }

    function setSlasher(address slasher_) external {
        slasher = slasher_;
    }

    function delegation() external view returns (IDelegation) {
        return this;
    }

    /// As RewardsCoordinator names it.
    function strategyManager() external view returns (address) {
        return address(this);
    }

    function delegate(address operator, address strategy, uint256 shares) external {
        operatorShares[operator][strategy] += shares;
    }

    function updateAVSMetadataURI(address avs, string calldata uri) external onlyFor(avs) {
        metadata[avs] = uri;
    }

    function setAVSRegistrar(address avs, address registrar_) external onlyFor(avs) {
        if (!IAVSRegistrar(registrar_).supportsAVS(avs)) revert InvalidAVSRegistrar();
        registrar[avs] = registrar_;
    }

    function createOperatorSets(address avs, CreateSetParams[] calldata params) external onlyFor(avs) {
        if (oldWayGone) revert OldWayGone();
        _make(avs, params[0].strategies, avs);
    }

    function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external onlyFor(avs) {
        _make(avs, params[0].strategies, params[0].slasher);
    }

    function createRedistributingOperatorSets(
        address avs,
        CreateSetParamsV2[] calldata params,
        address[] calldata redistributionRecipients
    ) external onlyFor(avs) {
        recipients[avs] = redistributionRecipients[0];
        _make(avs, params[0].strategies, params[0].slasher);
    }

    /// As the real one, but at once.
    function updateSlasher(OperatorSet memory operatorSet, address slasher_) external onlyFor(operatorSet.avs) {
        slasher = slasher_;
    }

    function getRedistributionRecipient(OperatorSet memory operatorSet) public view returns (address) {
        address to = recipients[operatorSet.avs];
        return to == address(0) ? BURNED : to;
    }

    /// The second step of a slash.
    function clearBurnOrRedistributableShares(OperatorSet calldata operatorSet, uint256 slashId) external {
        for (uint256 i; i < strategies.length; ++i) {
            paid[getRedistributionRecipient(operatorSet)] += waiting[slashId][strategies[i]];
            waiting[slashId][strategies[i]] = 0;
        }
    }

    function _make(address avs, address[] calldata strategies_, address slasher_) private {
        if (bytes(metadata[avs]).length == 0) revert NonexistentAVSMetadata();
        (strategies, slasher) = (strategies_, slasher_);
    }

    function registerForOperatorSets(address operator, address avs, uint32[] calldata ids, bytes calldata data) external {
        slashableUntil[operator] = type(uint256).max;
        for (uint256 i; i < strategies.length; ++i) magnitude[operator][strategies[i]] = 1e18;
        IAVSRegistrar(registrar[avs]).registerOperator(operator, avs, ids, data);
    }

    function deregisterFromOperatorSets(address operator, address avs, uint32[] calldata ids) external {
        slashableUntil[operator] = block.timestamp + DEALLOCATION_DELAY * 12 + 1;
        IAVSRegistrar(registrar[avs]).deregisterOperator(operator, avs, ids);
    }

    function isMemberOfOperatorSet(address operator, OperatorSet memory) external view returns (bool) {
        return slashableUntil[operator] == type(uint256).max;
    }

    function isOperatorSlashable(address operator, OperatorSet memory) external view returns (bool) {
        return block.timestamp < slashableUntil[operator];
    }

    function getAllocation(address operator, OperatorSet memory, address strategy) external view returns (Allocation memory) {
        return Allocation(uint64(magnitude[operator][strategy]), 0, 0);
    }

    function getMaxMagnitude(address operator, address strategy) external view returns (uint64) {
        return uint64(magnitude[operator][strategy]);
    }

    function getSlashableSharesInQueue(address, address) external pure returns (uint256) {
        return 0;
    }

    function getMinimumSlashableStake(OperatorSet memory, address[] memory operators, address[] memory asked, uint32)
        external
        view
        returns (uint256[][] memory shares)
    {
        shares = new uint256[][](operators.length);
        for (uint256 i; i < operators.length; ++i) {
            shares[i] = new uint256[](asked.length);
            for (uint256 j; j < asked.length; ++j) shares[i][j] = operatorShares[operators[i]][asked[j]];
        }
    }

    function slashOperator(address avs, SlashingParams calldata params) external {
        ++slashes;
        uint256[] memory shares = _slash(avs, params);
        if (!tells) return;
        bytes memory told = abi.encode(slashes, shares);
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
            uint256 lost = operatorShares[params.operator][strategy] * wad / 1e18;
            operatorShares[params.operator][strategy] -= lost;
            waiting[slashes][strategy] += lost;
        }
        OperatorSet memory operatorSet = OperatorSet(avs, params.operatorSetId);
        emit OperatorSlashed(params.operator, operatorSet, params.strategies, params.wadsToSlash, params.description);
    }
}

// A stand-in for the KeyRegistrar, the CrossChainRegistry and a certificate verifier of v1.7 and later, as far as who may: keys and
// certificates of an operator set are of use only after its service has configured it, which nobody can do for the service.
contract EigenKeysStandIn {
    enum CurveType {
        NONE,
        ECDSA,
        BN254
    }

    struct OperatorSetConfig {
        address owner;
        uint32 maxStalenessPeriod;
    }

    mapping(bytes32 set => CurveType) private curves;
    mapping(bytes32 key => bool) private used;
    mapping(bytes32 set => bool) private transported;

    error InvalidPermissions();
    error OperatorSetNotConfigured();
    error KeyAlreadyRegistered();
    error ReferenceTimestampDoesNotExist();

    modifier onlyOf(OperatorSet memory operatorSet) {
        if (msg.sender != operatorSet.avs) revert InvalidPermissions();
        _;
    }

    function configureOperatorSet(OperatorSet memory operatorSet, CurveType curve) external onlyOf(operatorSet) {
        curves[_id(operatorSet)] = curve;
    }

    function registerKey(address operator, OperatorSet memory operatorSet, bytes calldata key, bytes calldata) external {
        if (msg.sender != operator) revert InvalidPermissions();
        if (curves[_id(operatorSet)] == CurveType.NONE) revert OperatorSetNotConfigured();
        if (used[keccak256(key)]) revert KeyAlreadyRegistered();
        used[keccak256(key)] = true;
    }

    function createGenerationReservation(OperatorSet calldata operatorSet, address, OperatorSetConfig calldata)
        external
        onlyOf(operatorSet)
    {
        transported[_id(operatorSet)] = true;
    }

    /// Of a set whose table nobody carries no certificate is ever good.
    function verifyCertificateProportion(OperatorSet calldata operatorSet, bytes calldata, uint16[] memory)
        external
        view
        returns (bool)
    {
        if (!transported[_id(operatorSet)]) revert ReferenceTimestampDoesNotExist();
        return true;
    }

    function _id(OperatorSet memory operatorSet) private pure returns (bytes32) {
        return keccak256(abi.encode(operatorSet));
    }
}
