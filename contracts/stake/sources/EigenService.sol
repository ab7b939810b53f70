// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ICollateralValues} from "../../interfaces/ICollateralValues.sol";
import {
    IAVSRegistrar,
    IDelegation,
    IOperatorSets,
    IRewardsCoordinator,
    IStrategy,
    OperatorSet
} from "../../interfaces/IEigenLayer.sol";
import {IKeyBook} from "../../interfaces/IKeyBook.sol";
import {OperatorDirectory} from "../../operators/OperatorDirectory.sol";
import {Connected} from "../Connected.sol";

/// @title A service of EigenLayer with one operator set, and its registrar: who registers signs for the store
/// @notice An operator registers for the set in EigenLayer, with its report key's consent. No role is given to anybody: what this
///         contract does for itself in EigenLayer nobody else can do for it.
abstract contract EigenService is IAVSRegistrar, Connected {
    uint256 internal constant WHOLE = 1e18;
    /// @dev What a penalty costs must fit into the gas that each source is given for it.
    uint256 internal constant MOST_STRATEGIES = 4;
    /// @dev The strategy that stands for ether of validators, in every release. It has no code; a share is a wei.
    address internal constant NATIVE = 0xbeaC0eeEeeeeEEeEeEEEEeeEEeEeeeEeeEEBEaC0;
    /// @dev For reading one strategy and the value of its token. With less of it left nothing is read: else whoever calls with
    ///      little gas could make an operator's stake look smaller than it is.
    uint256 private constant WORTH_GAS = 160_000;
    uint256 private constant STRATEGY_GAS = 60_000;
    uint256 private constant SPARE_GAS = 10_000;
    /// @dev For an announcement, and for telling the set that an operator left: neither may cost the caller more than that.
    uint256 private constant TELLING_GAS = 500_000;

    /// @param token whose wei `ICollateralValues` knows; zero for the native strategy
    struct Listed {
        address strategy;
        address token;
    }

    /// @dev When an operator registered last, and when it left last.
    struct Stay {
        uint48 since;
        uint48 until;
    }

    /// @param maker calls `connect`
    /// @param directory where announcements go; zero for none
    /// @param weth ether that is paid as a reward is wrapped by it; zero: ether is refused
    /// @param setId of the operator set that is made
    /// @param secondsPerBlock the least between two blocks of this chain
    /// @param namesSlasher the core is told the set's slasher when the set is made, as v1.9 and later can be and v1.4 cannot
    struct Settings {
        address maker;
        IOperatorSets allocations;
        IRewardsCoordinator coordinator;
        IKeyBook book;
        ICollateralValues values;
        OperatorDirectory directory;
        address weth;
        uint32 setId;
        uint32 secondsPerBlock;
        bool namesSlasher;
        string metadataURI;
    }

    /// @notice EigenLayer's AllocationManager.
    IOperatorSets public immutable allocations;
    /// @notice EigenLayer's DelegationManager.
    IDelegation public immutable delegation;
    /// @notice EigenLayer's RewardsCoordinator.
    IRewardsCoordinator public immutable coordinator;
    /// @notice Which report key speaks for an operator.
    IKeyBook public immutable book;
    /// @notice Wei of the strategies' tokens.
    ICollateralValues public immutable values;
    /// @notice Where operators announce how they are reached; zero for none.
    OperatorDirectory public immutable directory;
    /// @notice Wraps ether; zero: none is taken.
    address public immutable weth;
    /// @notice Id of the operator set; this contract is its service.
    uint32 public immutable setId;
    /// @notice The least number of seconds between two blocks.
    uint32 public immutable secondsPerBlock;
    bool private immutable namesSlasher;

    /// @notice The strategies of the set, ascending, and their tokens. They never change.
    Listed[] public listed;
    mapping(address operator => Stay) internal stays;
    string private metadataURI;
    uint256 private lock = 1;

    /// @notice The operator registered for the set; `announced`: the directory took its announcement, or there was none.
    event OperatorRegistered(address indexed operator, address indexed key, bool announced);
    /// @notice The operator left the set in EigenLayer. `left`: it was taken from the candidates too, else it may `leave` there.
    event OperatorDeregistered(address indexed operator, bool left);

    /// @notice An address is zero, strategies do not ascend, are none or more than 4, or a token is not the strategy's.
    error BadSettings();
    /// @notice Another service's set, or another set than this one.
    error NotOurSet();
    /// @notice The data has no consent of a key, and the operator has none in the book.
    error NoKey(address operator);
    /// @notice The strategy does not say what its shares are, or says more than there can be.
    error UnreadableStrategy(address strategy);
    /// @notice With so little gas an answer would be wrong.
    error GasTooLow();
    /// @notice A reentrant call.
    error Reentrant();

    modifier nonReentrant() {
        if (lock != 1) revert Reentrant();
        lock = 2;
        _;
        lock = 1;
    }

    modifier onlyAllocations() {
        if (msg.sender != address(allocations)) revert NotAllowed(msg.sender);
        _;
    }

    constructor(Settings memory settings, Listed[] memory listed_) Connected(settings.maker) {
        if (address(settings.book) == address(0) || address(settings.values) == address(0)) revert BadSettings();
        if (settings.secondsPerBlock == 0 || listed_.length == 0 || listed_.length > MOST_STRATEGIES) revert BadSettings();
        (allocations, coordinator) = (settings.allocations, settings.coordinator);
        delegation = settings.allocations.delegation();
        (book, values, directory, weth) = (settings.book, settings.values, settings.directory, settings.weth);
        (setId, secondsPerBlock, namesSlasher) = (settings.setId, settings.secondsPerBlock, settings.namesSlasher);
        metadataURI = settings.metadataURI;
        for (uint256 i; i < listed_.length; ++i) {
            Listed memory one = listed_[i];
            if (one.strategy == address(0) || (i != 0 && one.strategy <= listed_[i - 1].strategy)) revert BadSettings();
            bool native = one.strategy == NATIVE;
            if (native ? one.token != address(0) : one.token == address(0)) revert BadSettings();
            if (!native && IStrategy(one.strategy).underlyingToken() != one.token) revert BadSettings();
            listed.push(one);
        }
    }

    /// @inheritdoc IAVSRegistrar
    function supportsAVS(address avs) external view returns (bool) {
        return avs == address(this);
    }

    /// @notice Only EigenLayer: the operator registers for the set. It becomes a candidate, and the key speaks for it.
    /// @param data `abi.encode(IKeyBook.Consent, bytes announcement)`. A consent without a key keeps the one that the operator has
    ///        in the book. The announcement goes to the directory; an empty or a bad one keeps nobody out.
    function registerOperator(address operator, address avs, uint32[] calldata operatorSetIds, bytes calldata data)
        external
        onlyAllocations
        nonReentrant
    {
        if (!_isOurs(avs, operatorSetIds)) revert NotOurSet();
        (IKeyBook.Consent memory consent, bytes memory announcement) = abi.decode(data, (IKeyBook.Consent, bytes));
        stays[operator].since = uint48(block.timestamp);
        if (consent.key != address(0)) {
            book.setKeyFor(operator, consent);
        } else {
            consent.key = book.keyOf(operator);
            if (consent.key == address(0)) revert NoKey(operator);
        }
        set.joinFor(operator);
        bool announced = announcement.length == 0;
        if (!announced) {
            bytes memory call = abi.encodeCall(OperatorDirectory.announce, (set.store(), announcement));
            (announced,) = address(directory).call{gas: TELLING_GAS}(call);
            announced = announced && address(directory).code.length != 0;
        }
        emit OperatorRegistered(operator, consent.key, announced);
    }

    /// @notice Only EigenLayer: the operator left the set. Its stake counts no longer and can be slashed until the delay is over.
    /// @dev Nothing of ours keeps an operator in: EigenLayer would let it out only if this does not revert.
    function deregisterOperator(address operator, address avs, uint32[] calldata operatorSetIds)
        external
        onlyAllocations
        nonReentrant
    {
        if (!_isOurs(avs, operatorSetIds)) return;
        stays[operator].until = uint48(block.timestamp);
        // solhint-disable-next-line avoid-low-level-calls
        (bool left,) = address(set).call{gas: TELLING_GAS}(abi.encodeCall(set.leaveFor, (operator)));
        emit OperatorDeregistered(operator, left);
    }

    /// @dev The service introduces itself to EigenLayer and makes its set. It is its own registrar, and its own slasher: in v1.4
    ///      as it is the only one that may act for itself, later as the set's slasher.
    function _connected() internal override {
        allocations.updateAVSMetadataURI(address(this), metadataURI);
        allocations.setAVSRegistrar(address(this), address(this));
        address[] memory strategies = _strategies();
        if (namesSlasher) {
            IOperatorSets.CreateSetParamsV2[] memory named = new IOperatorSets.CreateSetParamsV2[](1);
            named[0] = IOperatorSets.CreateSetParamsV2(setId, strategies, address(this));
            allocations.createOperatorSets(address(this), named);
        } else {
            IOperatorSets.CreateSetParams[] memory plain = new IOperatorSets.CreateSetParams[](1);
            plain[0] = IOperatorSets.CreateSetParams(setId, strategies);
            allocations.createOperatorSets(address(this), plain);
        }
    }

    /// @notice Wei of shares of a strategy; reverts where the strategy cannot be read. Where its token's rate cannot be read it is
    ///         by the rate that was recorded last, or nothing.
    /// @param index of `listed`
    function worthOf(uint256 index, uint256 shares) external view returns (uint256) {
        Listed memory one = listed[index];
        if (one.strategy == NATIVE) return shares;
        uint256 tokens = IStrategy(one.strategy).sharesToUnderlyingView{gas: STRATEGY_GAS}(shares);
        if (tokens > type(uint96).max) revert UnreadableStrategy(one.strategy);
        try values.valueOf(one.token, tokens) returns (uint256 value) {
            return value;
        } catch {
            return values.recordedValueOf(one.token, tokens);
        }
    }

    /// @dev Wei of shares; 0 where they cannot be read.
    function _worth(uint256 index, uint256 shares) internal view returns (uint256 value) {
        (, value) = _read(index, shares);
    }

    /// @dev Not `read` if it fails, or says more than there can be.
    function _read(uint256 index, uint256 shares) internal view returns (bool read, uint256 value) {
        if (shares == 0) return (true, 0);
        // a callee gets 63 of 64 parts of what is left at most (EIP-150)
        if (gasleft() - gasleft() / 64 < WORTH_GAS + SPARE_GAS) revert GasTooLow();
        try this.worthOf{gas: WORTH_GAS}(index, shares) returns (uint256 worth) {
            return worth > type(uint96).max ? (false, 0) : (true, worth);
        } catch {
            return (false, 0);
        }
    }

    function _set() internal view returns (OperatorSet memory) {
        return OperatorSet(address(this), setId);
    }

    function _strategies() internal view returns (address[] memory strategies) {
        strategies = new address[](listed.length);
        for (uint256 i; i < strategies.length; ++i) strategies[i] = listed[i].strategy;
    }

    function _isOurs(address avs, uint32[] calldata ids) private view returns (bool) {
        return avs == address(this) && ids.length == 1 && ids[0] == setId;
    }
}
