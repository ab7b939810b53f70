// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Signed, contradict, domainOf, epochOf, signerOf} from "./Equivocation.sol";
import {IERC20} from "../interfaces/IERC20.sol";
import {ISlasher} from "../interfaces/ISlasher.sol";

/// @title OperatorRegistry: the bonds that operators stake on their signatures
/// @notice Operators bond a token that does not rebase. Anybody can prove that one key signed two words of one round
///         (batches or certificates) with different items of one token: that moves the operator's bond into a vault for the
///         dispute window.
/// @dev Bonds are accounted in the token's own units: for a token such as wdivETH these never change, so neither a donation
///      nor rounding moves a bond. Weights for the store's signer set come from a snapshot per epoch. Only such a proof can
///      slash; the arbiter can only return a penalty. Source of the vault: Nektar's
///      documents (penalised assets wait in a time-locked vault, they are not burned).
contract OperatorRegistry {
    uint256 private constant WHOLE = 1e18;
    uint256 private constant HOOK_GAS = 2_000_000;

    enum Outcome {
        None,
        Locked,
        Taken,
        Returned
    }

    struct Operator {
        address owner;
        uint128 shares;
        uint128 leaving;
        uint64 leavesAt;
        bool slashed;
    }

    struct Penalty {
        address signer;
        uint128 shares;
        uint64 releaseAt;
        Outcome outcome;
    }

    struct Settings {
        address store;
        uint256 chainId;
        address curator;
        address arbiter;
        address treasury;
        ISlasher slasher;
        uint256 unbondingS;
        uint256 disputeS;
    }

    /// @notice The token that is bonded.
    IERC20 public immutable token;
    /// @notice The store whose batches and certificates are evidence.
    address public immutable store;
    /// @notice The chain of that store; it may differ from this one.
    uint256 public immutable chainId;
    /// @notice EIP-712 domain of that store.
    bytes32 public immutable domain;
    /// @notice Takes the snapshots, and sets the store's signers by them.
    address public immutable curator;
    /// @notice May return a penalty before its release, and nothing else.
    address public immutable arbiter;
    /// @notice Receives penalties that were not returned.
    address public immutable treasury;
    /// @notice Called for each final penalty; zero for none.
    ISlasher public immutable slasher;
    /// @notice Seconds from a request to leave until the bond can be withdrawn.
    uint256 public immutable unbondingS;
    /// @notice Seconds from a proof until the penalty is final.
    uint256 public immutable disputeS;

    /// @notice By report key. A key belongs to one operator for good.
    mapping(address signer => Operator) public operators;
    /// @notice Weight of a key in an epoch: its bond, less what was requested back, at the snapshot.
    mapping(uint256 epoch => mapping(address signer => uint256)) public weightIn;
    /// @notice By evidence.
    mapping(bytes32 evidence => Penalty) public penalties;
    /// @notice The newest epoch with a snapshot.
    uint256 public lastEpoch;
    /// @notice Total of bonds and unsettled penalties; the registry never holds less.
    uint256 public totalShares;
    uint256 private lock = 1;

    event Bonded(address indexed signer, address indexed owner, uint256 shares);
    event Leaving(address indexed signer, uint256 shares, uint256 at);
    event Left(address indexed signer, uint256 shares);
    event Snapshot(uint256 indexed epoch, address[] signers, uint256[] weights);
    event Proven(address indexed signer, bytes32 indexed evidence, uint256 epoch, uint16 index, uint256 shares);
    event Settled(bytes32 indexed evidence, Outcome outcome, uint256 shares);
    event SlasherFailed(bytes32 indexed evidence);

    /// @notice The unbonding delay does not cover the time in which equivocation can still be proven, or an address is zero.
    error BadSettings();
    /// @notice The key belongs to another operator, or was slashed.
    error NotYours(address signer);
    /// @notice Zero, or more than there is or can be.
    error BadAmount(uint256 shares);
    /// @notice Too early, already done, or a reentrant call.
    error NotNow();
    /// @notice The token transfer failed or moved another amount.
    error TokenFailed();
    /// @notice The key has no bond here.
    error Unbonded(address signer);
    /// @notice The key is already slashed.
    error UsedEvidence(bytes32 evidence);
    /// @notice The key's own signature is needed: nobody can bond a key they do not hold.
    error BadConsent();

    modifier nonReentrant() {
        if (lock != 1) revert NotNow();
        lock = 2;
        _;
        lock = 1;
    }

    /// @param token_ must not rebase or take a fee on transfer
    /// @param settings store, roles and delays
    /// @param longestS an epoch's longest life plus its overlap plus maxPushAgeS: for that long after a request to leave a
    ///        key can still sign what the store accepts
    constructor(IERC20 token_, Settings memory settings, uint256 longestS) {
        if (settings.unbondingS < longestS + settings.disputeS || settings.disputeS == 0) revert BadSettings();
        if (settings.store == address(0) || settings.treasury == address(0)) revert BadSettings();
        if (settings.unbondingS > 365 days) revert BadSettings();
        token = token_;
        (store, chainId) = (settings.store, settings.chainId);
        domain = domainOf(settings.chainId, settings.store);
        (curator, arbiter, treasury) = (settings.curator, settings.arbiter, settings.treasury);
        slasher = settings.slasher;
        (unbondingS, disputeS) = (settings.unbondingS, settings.disputeS);
    }

    // -------------------------------------------------------------------------------------------------------- bond

    /// @notice Bond for a report key; the first bond needs the key's own signature over `consent`.
    function bond(address signer, uint256 shares, bytes32 r, bytes32 vs) external nonReentrant {
        Operator storage operator = operators[signer];
        if (operator.owner == address(0)) {
            bytes32 s = bytes32((uint256(vs) << 1) >> 1);
            address signed = ecrecover(consent(signer, msg.sender), uint8(27 + (uint256(vs) >> 255)), r, s);
            if (signer == address(0) || signed != signer) revert BadConsent();
            operator.owner = msg.sender;
        }
        if (operator.owner != msg.sender || operator.slashed) revert NotYours(signer);
        if (shares == 0 || uint256(operator.shares) + shares > type(uint96).max) revert BadAmount(shares);
        operator.shares += uint128(shares);
        totalShares += shares;
        uint256 before = token.balanceOf(address(this));
        if (!token.transferFrom(msg.sender, address(this), shares)) revert TokenFailed();
        if (token.balanceOf(address(this)) != before + shares) revert TokenFailed();
        emit Bonded(signer, msg.sender, shares);
    }

    /// @notice What a key signs to let `owner` bond for it: EIP-191 data for this contract.
    function consent(address signer, address owner) public view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1900", address(this), block.chainid, signer, owner));
    }

    /// @notice Request all or a part of the bond back. It counts in no snapshot from now on, and stays slashable until it is
    ///         withdrawn.
    function requestLeave(address signer, uint256 shares) external {
        Operator storage operator = operators[signer];
        if (operator.owner != msg.sender || operator.slashed) revert NotYours(signer);
        if (shares == 0 || shares > operator.shares) revert BadAmount(shares);
        (operator.leaving, operator.leavesAt) = (uint128(shares), uint64(block.timestamp + unbondingS));
        emit Leaving(signer, shares, operator.leavesAt);
    }

    /// @notice Withdraw what was requested, after `unbondingS`.
    function leave(address signer) external nonReentrant {
        Operator storage operator = operators[signer];
        if (operator.owner != msg.sender || operator.slashed) revert NotYours(signer);
        uint256 shares = operator.leaving;
        if (shares == 0 || block.timestamp < operator.leavesAt) revert NotNow();
        operator.shares -= uint128(shares);
        operator.leaving = 0;
        emit Left(signer, shares);
        _pay(operator.owner, shares);
    }

    // ---------------------------------------------------------------------------------------------------- snapshots

    /// @notice Record the weights of an epoch, once and in order: the weights for `setSigners` of the store.
    function snapshot(uint256 epoch, address[] calldata signers) external returns (uint256[] memory weights) {
        if (msg.sender != curator) revert NotYours(msg.sender);
        if (epoch <= lastEpoch) revert NotNow();
        if (signers.length == 0 || signers.length > 255) revert BadAmount(signers.length);
        lastEpoch = epoch;
        weights = new uint256[](signers.length);
        for (uint256 i; i < signers.length; ++i) {
            Operator storage operator = operators[signers[i]];
            if (operator.slashed || operator.shares == operator.leaving || weightIn[epoch][signers[i]] != 0) {
                revert Unbonded(signers[i]);
            }
            weights[i] = operator.shares - operator.leaving;
            weightIn[epoch][signers[i]] = weights[i];
        }
        emit Snapshot(epoch, signers, weights);
    }

    // ----------------------------------------------------------------------------------------------------- evidence

    /// @notice Prove that one key signed two different items of a token for one round. Anybody may.
    /// @dev The words may be of two epochs, steps and kinds: a key has one item for a place, whatever it signs it in.
    function prove(Signed calldata a, Signed calldata b, uint16 index) external nonReentrant returns (bytes32 evidence) {
        (address signer, bytes32 digestA) = signerOf(domain, a);
        (address other, bytes32 digestB) = signerOf(domain, b);
        if (signer != other) revert Unbonded(other);
        contradict(a.batch, b.batch, index);
        evidence = digestA < digestB
            ? keccak256(abi.encode(signer, digestA, digestB))
            : keccak256(abi.encode(signer, digestB, digestA));
        Operator storage operator = operators[signer];
        if (operator.owner == address(0)) revert Unbonded(signer);
        if (operator.slashed) revert UsedEvidence(evidence);
        uint128 shares = operator.shares;
        (operator.slashed, operator.shares, operator.leaving) = (true, 0, 0);
        penalties[evidence] = Penalty(signer, shares, uint64(block.timestamp + disputeS), Outcome.Locked);
        emit Proven(signer, evidence, epochOf(a.batch), index, shares);
    }

    /// @notice Call the slasher again for a final penalty whose call failed.
    function retry(bytes32 evidence) external nonReentrant {
        Penalty storage penalty = penalties[evidence];
        if (penalty.outcome != Outcome.Taken) revert NotNow();
        slasher.slash(penalty.signer, WHOLE, evidence);
    }

    /// @notice Return a penalty while it is locked; only the arbiter, e.g. for a stolen key. The key stays slashed.
    function giveBack(bytes32 evidence) external nonReentrant {
        if (msg.sender != arbiter) revert NotYours(msg.sender);
        _settle(evidence, Outcome.Returned, operators[penalties[evidence].signer].owner, true);
    }

    /// @notice Pay a penalty to the treasury after the dispute window, and call the slasher. Anybody may.
    /// @dev A slasher that fails or runs out of gas does not stop the payment; use `retry`.
    function release(bytes32 evidence) external nonReentrant {
        _settle(evidence, Outcome.Taken, treasury, false);
        if (address(slasher) != address(0)) {
            try slasher.slash{gas: HOOK_GAS}(penalties[evidence].signer, WHOLE, evidence) {}
            catch {
                emit SlasherFailed(evidence);
            }
        }
    }

    function _settle(bytes32 evidence, Outcome outcome, address to, bool early) private {
        Penalty storage penalty = penalties[evidence];
        if (penalty.outcome != Outcome.Locked || (block.timestamp < penalty.releaseAt) != early) revert NotNow();
        penalty.outcome = outcome;
        emit Settled(evidence, outcome, penalty.shares);
        _pay(to, penalty.shares);
    }

    function _pay(address to, uint256 shares) private {
        totalShares -= shares;
        if (shares != 0 && !token.transfer(to, shares)) revert TokenFailed();
    }
}
