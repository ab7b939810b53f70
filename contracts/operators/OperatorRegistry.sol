// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Signed, contradict, domainOf, epochOf, signerOf} from "./Equivocation.sol";
import {IERC20} from "../interfaces/IERC20.sol";
import {ISlasher} from "../interfaces/ISlasher.sol";

/// @title OperatorRegistry: what operators stake on their word
/// @notice Operators bond a token that does not rebase. Whoever shows two batches that one key signed for one round with
///         different items of one token takes the bond of that key's operator into a vault, where it waits for a dispute.
/// @dev The token's own units are the shares that are accounted: of a token such as wdivETH they never change, so neither
///      a donation nor rounding moves anybody's bond. Weights for the store's signer set are read from a snapshot of each
///      epoch. Nobody can slash but by such a proof; the arbiter can only give back. Source of the vault: Nektar's
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

    /// @notice What is bonded.
    IERC20 public immutable token;
    /// @notice The store whose batches are evidence.
    address public immutable store;
    /// @notice The chain it is on, which may be another one than this.
    uint256 public immutable chainId;
    /// @notice EIP-712 domain of that store.
    bytes32 public immutable domain;
    /// @notice Makes the snapshots, as it sets the store's signers by them.
    address public immutable curator;
    /// @notice May give a penalty back before its release, and nothing else.
    address public immutable arbiter;
    /// @notice Gets what is not given back, in the end.
    address public immutable treasury;
    /// @notice Is told of each penalty that became final; zero for nobody.
    ISlasher public immutable slasher;
    /// @notice From a request to leave until the bond can be taken.
    uint256 public immutable unbondingS;
    /// @notice From a proof until the penalty is final.
    uint256 public immutable disputeS;

    /// @notice By report key. A key has one operator for good.
    mapping(address signer => Operator) public operators;
    /// @notice Weight of a key in an epoch: what it had bonded and not asked back when the snapshot was made.
    mapping(uint256 epoch => mapping(address signer => uint256)) public weightIn;
    /// @notice By evidence.
    mapping(bytes32 evidence => Penalty) public penalties;
    /// @notice The last epoch of which there is a snapshot.
    uint256 public lastEpoch;
    /// @notice All that is bonded or in the vault; the registry never holds less.
    uint256 public totalShares;
    uint256 private entered = 1;

    event Bonded(address indexed signer, address indexed owner, uint256 shares);
    event Leaving(address indexed signer, uint256 shares, uint256 at);
    event Left(address indexed signer, uint256 shares);
    event Snapshot(uint256 indexed epoch, address[] signers, uint256[] weights);
    event Proven(address indexed signer, bytes32 indexed evidence, uint256 epoch, uint16 index, uint256 shares);
    event Settled(bytes32 indexed evidence, Outcome outcome, uint256 shares);
    event SlasherFailed(bytes32 indexed evidence);

    /// @notice The delay for leaving does not cover what a key can still be proven guilty of, or a zero address.
    error BadSettings();
    /// @notice The key is another operator's, or was slashed.
    error NotYours(address signer);
    /// @notice Nothing, or more than there is or can be.
    error BadAmount(uint256 shares);
    /// @notice Too early, or already done.
    error NotNow();
    /// @notice The token did not move as it should.
    error TokenFailed();
    /// @notice The key has no bond here.
    error Unbonded(address signer);
    /// @notice This evidence was used, or the key is slashed already.
    error UsedEvidence(bytes32 evidence);
    /// @notice A signature of the key is needed: nobody bonds a key that is not his.
    error BadConsent();

    modifier once() {
        if (entered != 1) revert NotNow();
        entered = 2;
        _;
        entered = 1;
    }

    /// @param token_ does not rebase and takes no fee
    /// @param settings where, who, how long
    /// @param longestS an epoch's longest life, its overlap, and maxPushAgeS: for so long after a request to leave can a
    ///        key still sign what the store takes
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

    /// @notice Bond for a report key. The first time with the key's own signature over `consent`.
    function bond(address signer, uint256 shares, bytes32 r, bytes32 vs) external once {
        Operator storage one = operators[signer];
        if (one.owner == address(0)) {
            bytes32 s = bytes32((uint256(vs) << 1) >> 1);
            address signed = ecrecover(consent(signer, msg.sender), uint8(27 + (uint256(vs) >> 255)), r, s);
            if (signer == address(0) || signed != signer) revert BadConsent();
            one.owner = msg.sender;
        }
        if (one.owner != msg.sender || one.slashed) revert NotYours(signer);
        if (shares == 0 || uint256(one.shares) + shares > type(uint96).max) revert BadAmount(shares);
        one.shares += uint128(shares);
        totalShares += shares;
        uint256 before = token.balanceOf(address(this));
        if (!token.transferFrom(msg.sender, address(this), shares)) revert TokenFailed();
        if (token.balanceOf(address(this)) != before + shares) revert TokenFailed();
        emit Bonded(signer, msg.sender, shares);
    }

    /// @notice What a key signs so that an owner may bond for it: EIP-191 data for this contract.
    function consent(address signer, address owner) public view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1900", address(this), block.chainid, signer, owner));
    }

    /// @notice Ask for all or a part back. It counts for no snapshot from now on, and stays at stake until it is taken.
    function requestLeave(address signer, uint256 shares) external {
        Operator storage one = operators[signer];
        if (one.owner != msg.sender || one.slashed) revert NotYours(signer);
        if (shares == 0 || shares > one.shares) revert BadAmount(shares);
        (one.leaving, one.leavesAt) = (uint128(shares), uint64(block.timestamp + unbondingS));
        emit Leaving(signer, shares, one.leavesAt);
    }

    /// @notice Take what was asked back.
    function leave(address signer) external once {
        Operator storage one = operators[signer];
        if (one.owner != msg.sender || one.slashed) revert NotYours(signer);
        uint256 shares = one.leaving;
        if (shares == 0 || block.timestamp < one.leavesAt) revert NotNow();
        one.shares -= uint128(shares);
        one.leaving = 0;
        emit Left(signer, shares);
        _pay(one.owner, shares);
    }

    // ---------------------------------------------------------------------------------------------------- snapshots

    /// @notice Write down the weights of an epoch, once and in order: what `setSigners` of the store is to be given.
    function snapshot(uint256 epoch, address[] calldata signers) external returns (uint256[] memory weights) {
        if (msg.sender != curator) revert NotYours(msg.sender);
        if (epoch <= lastEpoch) revert NotNow();
        if (signers.length == 0 || signers.length > 255) revert BadAmount(signers.length);
        lastEpoch = epoch;
        weights = new uint256[](signers.length);
        for (uint256 i; i < signers.length; ++i) {
            Operator storage one = operators[signers[i]];
            if (one.slashed || one.shares == one.leaving || weightIn[epoch][signers[i]] != 0) {
                revert Unbonded(signers[i]);
            }
            weights[i] = one.shares - one.leaving;
            weightIn[epoch][signers[i]] = weights[i];
        }
        emit Snapshot(epoch, signers, weights);
    }

    // ----------------------------------------------------------------------------------------------------- evidence

    /// @notice Prove that one key signed two different items of a token for one round. Anybody may.
    /// @dev The batches may be of two epochs: a key that signs for both has said two things all the same.
    function prove(Signed calldata a, Signed calldata b, uint16 index) external once returns (bytes32 evidence) {
        (address signer, bytes32 digestA) = signerOf(domain, a);
        (address other, bytes32 digestB) = signerOf(domain, b);
        if (signer != other) revert Unbonded(other);
        contradict(a.batch, b.batch, index);
        evidence = digestA < digestB
            ? keccak256(abi.encode(signer, digestA, digestB))
            : keccak256(abi.encode(signer, digestB, digestA));
        Operator storage one = operators[signer];
        if (one.owner == address(0)) revert Unbonded(signer);
        if (one.slashed) revert UsedEvidence(evidence);
        uint128 shares = one.shares;
        (one.slashed, one.shares, one.leaving) = (true, 0, 0);
        penalties[evidence] = Penalty(signer, shares, uint64(block.timestamp + disputeS), Outcome.Locked);
        emit Proven(signer, evidence, epochOf(a.batch), index, shares);
    }

    /// @notice Tell the slasher again of a final penalty that it missed.
    function retry(bytes32 evidence) external once {
        Penalty storage one = penalties[evidence];
        if (one.outcome != Outcome.Taken) revert NotNow();
        slasher.slash(one.signer, WHOLE, evidence);
    }

    /// @notice Give a penalty back while it is locked: the arbiter's, for a key that was stolen, say. The key stays out.
    function giveBack(bytes32 evidence) external once {
        if (msg.sender != arbiter) revert NotYours(msg.sender);
        _settle(evidence, Outcome.Returned, operators[penalties[evidence].signer].owner, true);
    }

    /// @notice Pay a penalty out to the treasury after the dispute window, and tell the slasher. Anybody may.
    /// @dev A slasher that fails, or was given too little gas, does not stop it: `retry`.
    function release(bytes32 evidence) external once {
        _settle(evidence, Outcome.Taken, treasury, false);
        if (address(slasher) != address(0)) {
            try slasher.slash{gas: HOOK_GAS}(penalties[evidence].signer, WHOLE, evidence) {}
            catch {
                emit SlasherFailed(evidence);
            }
        }
    }

    function _settle(bytes32 evidence, Outcome outcome, address to, bool early) private {
        Penalty storage one = penalties[evidence];
        if (one.outcome != Outcome.Locked || (block.timestamp < one.releaseAt) != early) revert NotNow();
        one.outcome = outcome;
        emit Settled(evidence, outcome, one.shares);
        _pay(to, one.shares);
    }

    function _pay(address to, uint256 shares) private {
        totalShares -= shares;
        if (shares != 0 && !token.transfer(to, shares)) revert TokenFailed();
    }
}
