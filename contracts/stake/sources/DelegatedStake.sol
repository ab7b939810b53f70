// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ICollateralValues} from "../../interfaces/ICollateralValues.sol";
import {IERC20} from "../../interfaces/IERC20.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {Connected} from "../Connected.sol";
import {DelegatedPools} from "./DelegatedPools.sol";

/// @title DelegatedStake: operators of the module, and those who delegate a token to them
/// @notice Nektar's model. A pool an operator; restakers share its rewards and its losses by their shares. What is penalised
///         waits here until its dispute is over. No owner, no settings that change.
/// @dev One exit a restaker and operator at a time: a second one would need a list to walk through, and whoever wants to leave
///      in parts asks for the next part after the first. Source of the model: Nektar's documents.
contract DelegatedStake is DelegatedPools {
    uint256 private constant MOST_FINDER_BPS = 500;
    uint256 private constant MOST_ASSETS = 4;
    /// @dev What both ways to value stake may need: whoever calls with less does not decide which of them it is.
    uint256 private constant VALUE_GAS = 130_000;

    /// @notice A restaker's position with an operator.
    /// @param tokens of all the shares, those that are leaving too
    /// @param value wei of these tokens
    /// @param leaving shares that were asked back; they earn and can be slashed until they are paid
    /// @param opensAt when they can be withdrawn; 0 without an exit
    /// @param closesAt last second for it; later while a case of the operator is open
    /// @param pending rewards, in the order of `assets`
    struct Holding {
        uint256 shares;
        uint256 tokens;
        uint256 value;
        uint256 leaving;
        uint256 opensAt;
        uint256 closesAt;
        uint256[] pending;
    }

    /// @notice An operator can be delegated to.
    event Enrolled(address indexed operator, uint256 commissionBps);
    /// @notice The commission from a time on.
    event CommissionSet(address indexed operator, uint256 commissionBps, uint256 at);
    /// @notice Tokens were delegated for these shares.
    event Deposited(address indexed operator, address indexed restaker, uint256 tokens, uint256 shares);
    /// @notice These shares count no more; 0: the exit was taken back.
    event ExitRequested(address indexed operator, address indexed restaker, uint256 shares, uint256 opensAt);
    /// @notice An exit was paid.
    event Withdrawn(address indexed operator, address indexed restaker, uint256 tokens, uint256 shares);
    /// @notice An exit was not taken in its window: its shares count again.
    event Lapsed(address indexed operator, address indexed restaker, uint256 shares);
    /// @notice Tokens wait for the end of a dispute.
    event PutAside(bytes32 indexed caseId, address indexed operator, uint256 tokens);
    /// @notice They went back to their pool.
    event PutBack(bytes32 indexed caseId, address indexed operator, uint256 tokens);
    /// @notice They are gone, the finder's share of them included.
    event TakenAway(bytes32 indexed caseId, address indexed operator, uint256 tokens, address finder, uint256 finderTokens);
    /// @notice A reward was shared out.
    event Rewarded(address indexed operator, address indexed asset, uint256 commission, uint256 toPool);

    /// @notice Nobody can delegate to this account.
    error NotEnrolled(address operator);
    /// @notice The account is an operator already.
    error IsEnrolled(address operator);
    /// @notice More than operators may take.
    error BadCommission(uint256 bps);
    /// @notice Zero, or more than there is or can be.
    error BadAmount(uint256 amount);
    /// @notice A case of the operator is open: deposits and withdrawals wait, and exits stay open for as much longer.
    error CaseOpen(address operator);
    /// @notice Nothing was asked back.
    error NothingLeaving();
    /// @notice The exit opens then.
    error TooEarly(uint256 opensAt);
    /// @notice The exit was open until then: it lapses, and can be requested again.
    error TooLate(uint256 closesAt);
    /// @notice The exit is open until then, and does not lapse before.
    error NotLapsed(uint256 closesAt);
    /// @notice The fraction of the pool is less than one unit, or more than all of it.
    error NothingToSeize(address operator);
    /// @notice This id was used.
    error CaseExists(bytes32 caseId);
    /// @notice The caller gave so little gas that the value might not be read for that alone.
    error GasTooLow();
    /// @notice Nothing waits here under this id.
    error NoSuchCase(bytes32 caseId);
    /// @notice The reward did not arrive before the call.
    error NotReceived(address asset, uint256 amount);

    /// @param maker_ tells it once who the others are
    /// @param token_ neither rebases nor takes a fee on transfer
    /// @param values_ knows its value
    /// @param treasury_ receives what is taken, or burns it
    /// @param windowS_ seconds for which an exit is open
    /// @param maxCommissionBps_ at most 10,000
    /// @param assets_ in which rewards are paid, at most 4; the zero address is ether
    constructor(
        address maker_,
        IERC20 token_,
        ICollateralValues values_,
        address treasury_,
        uint256 windowS_,
        uint256 maxCommissionBps_,
        address[] memory assets_
    ) Connected(maker_) {
        if (treasury_ == address(0) || windowS_ < 1 hours || windowS_ > 30 days) revert BadSettings();
        if (maxCommissionBps_ > BPS || assets_.length > MOST_ASSETS) revert BadSettings();
        if (!values_.isCollateral(address(token_))) revert BadSettings();
        for (uint256 i; i < assets_.length; ++i) {
            for (uint256 j; j < i; ++j) if (assets_[i] == assets_[j]) revert BadSettings();
        }
        (token, values, treasury) = (token_, values_, treasury_);
        (windowS, maxCommissionBps, assetList) = (windowS_, maxCommissionBps_, assets_);
    }

    // ------------------------------------------------------------------------------------------------------ operators

    /// @notice From here on others can delegate to the caller. Whether it signs is the set's matter.
    function enroll(uint16 commissionBps) external {
        if (address(set) == address(0)) revert BadConnection();
        Pool storage pool = pools[msg.sender];
        if (pool.enrolled) revert IsEnrolled(msg.sender);
        if (commissionBps > maxCommissionBps) revert BadCommission(commissionBps);
        (pool.enrolled, pool.commissionBps) = (true, commissionBps);
        emit Enrolled(msg.sender, commissionBps);
    }

    /// @notice Take another commission: less at once, more after what an exit takes at most and its window, so that everybody
    ///         can leave before. Replaces a rise that was announced.
    function setCommission(uint16 commissionBps) external {
        Pool storage pool = pools[msg.sender];
        if (!pool.enrolled) revert NotEnrolled(msg.sender);
        if (commissionBps > maxCommissionBps) revert BadCommission(commissionBps);
        uint256 present = _commissionBps(pool);
        uint256 at = block.timestamp;
        if (commissionBps <= present) (pool.commissionBps, pool.nextBps, pool.nextAt) = (commissionBps, 0, 0);
        else {
            at += set.answerS() + windowS;
            (pool.commissionBps, pool.nextBps, pool.nextAt) = (uint16(present), commissionBps, uint48(at));
        }
        emit CommissionSet(msg.sender, commissionBps, at);
    }

    // ------------------------------------------------------------------------------------------------------ restakers

    /// @notice Delegate tokens to an operator. They answer for what its keys sign from then on, and for what is proven of before.
    function deposit(address operator, uint256 amount) external nonReentrant returns (uint256 shares) {
        (Pool storage pool, Position storage position) = _settled(operator, msg.sender);
        if (!pool.enrolled) revert NotEnrolled(operator);
        if (pool.openCases != 0) revert CaseOpen(operator);
        if (amount == 0 || amount + pool.tokens > type(uint96).max) revert BadAmount(amount);
        // at most 2^96 tokens with at most 2^32 shares each: see _endIfEmpty
        shares = pool.shares == 0 ? amount : amount * pool.shares / pool.tokens;
        pool.tokens += uint96(amount);
        pool.shares += uint128(shares);
        position.shares += uint128(shares);
        position.since = uint48(block.timestamp);
        owed[address(token)] += amount;
        emit Deposited(operator, msg.sender, amount, shares);
        _receive(amount);
    }

    /// @notice Ask shares back: instead of what was asked back before, and 0 takes that back. They count no more from here on,
    ///         and can be slashed until they are paid. When they can be withdrawn is fixed here: after everything is old that the
    ///         operator's keys can have signed while they counted, and `windowS` after the restaker's last deposit at least, so
    ///         that nobody comes for one reward.
    function requestExit(address operator, uint256 shares) external nonReentrant returns (uint256 opensAt) {
        (Pool storage pool, Position storage position) = _present(operator, msg.sender);
        if (shares > position.shares) revert BadAmount(shares);
        pool.leaving = pool.leaving - position.leaving + uint128(shares);
        (position.leaving, position.opensAt) = (uint128(shares), 0);
        if (shares != 0) {
            uint256 bound = set.boundUntil(operator);
            opensAt = bound < block.timestamp ? block.timestamp : bound + 1;
            if (position.since + windowS > opensAt) opensAt = position.since + windowS;
            (position.opensAt, position.waitedS) = (uint48(opensAt), uint32(_waitedS(pool)));
        }
        emit ExitRequested(operator, msg.sender, shares, opensAt);
    }

    /// @notice Withdraw what was asked back, while the exit is open and no case of the operator is.
    function withdraw(address operator) external nonReentrant returns (uint256 tokens) {
        (Pool storage pool, Position storage position) = _settled(operator, msg.sender);
        uint256 shares = position.leaving;
        if (shares == 0) revert NothingLeaving();
        if (pool.openCases != 0) revert CaseOpen(operator);
        if (block.timestamp < position.opensAt) revert TooEarly(position.opensAt);
        if (block.timestamp > _closesAt(pool, position)) revert TooLate(_closesAt(pool, position));
        tokens = _tokensOf(pool, shares);
        pool.tokens -= uint96(tokens);
        pool.shares -= uint128(shares);
        pool.leaving -= uint128(shares);
        position.shares -= uint128(shares);
        (position.leaving, position.opensAt) = (0, 0);
        emit Withdrawn(operator, msg.sender, tokens, shares);
        if (tokens != 0) _pay(msg.sender, address(token), tokens);
    }

    /// @notice Anybody: an exit that was not taken in its window counts again.
    function lapse(address operator, address restaker) external nonReentrant {
        (Pool storage pool, Position storage position) = _present(operator, restaker);
        uint128 shares = position.leaving;
        if (shares == 0) revert NothingLeaving();
        if (block.timestamp <= _closesAt(pool, position)) revert NotLapsed(_closesAt(pool, position));
        pool.leaving -= shares;
        (position.leaving, position.opensAt) = (0, 0);
        emit Lapsed(operator, restaker, shares);
    }

    /// @notice Pay the caller what it earned with an operator.
    function claim(address asset, address operator) external nonReentrant returns (uint256 amount) {
        _count(operator, msg.sender, asset);
        amount = earned[operator][msg.sender][asset];
        earned[operator][msg.sender][asset] = 0;
        _pay(msg.sender, asset, amount);
    }

    /// @notice Pay the caller its commissions, and what could not be paid to it.
    function claimCommission(address asset) external returns (uint256 amount) {
        return collectFor(msg.sender, asset);
    }

    /// @notice Anybody: pay an account what it is due, such as a treasury that cannot ask.
    function collectFor(address who, address asset) public nonReentrant returns (uint256 amount) {
        amount = dueOf[who][asset];
        dueOf[who][asset] = 0;
        _pay(who, asset, amount);
    }

    // ------------------------------------------------------------------------------------------------------ penalties

    /// @inheritdoc IStakeSource
    function seize(address operator, uint256 fraction, uint48, bytes32 caseId)
        external
        onlyPenalties
        nonReentrant
        returns (uint256 value)
    {
        Pool storage pool = pools[operator];
        uint256 tokens = fraction > WHOLE ? 0 : pool.tokens * fraction / WHOLE;
        if (tokens == 0) revert NothingToSeize(operator);
        if (asideOf[caseId].operator != address(0)) revert CaseExists(caseId);
        asideOf[caseId] = Aside(operator, uint96(tokens));
        pool.tokens -= uint96(tokens);
        pool.aside += uint96(tokens);
        if (pool.openCases == 0) pool.waitsSince = uint48(block.timestamp);
        pool.openCases += 1;
        emit PutAside(caseId, operator, tokens);
        return _valueOf(tokens);
    }

    /// @inheritdoc IStakeSource
    function restore(bytes32 caseId) external onlyPenalties nonReentrant {
        if (asideOf[caseId].tokens == 0) revert NoSuchCase(caseId);
        (Pool storage pool, address operator, uint256 tokens) = _close(caseId);
        pool.tokens += uint96(tokens);
        emit PutBack(caseId, operator, tokens);
        _payOrOwe(treasury, address(token), _endIfEmpty(operator, pool));
    }

    /// @inheritdoc IStakeSource
    /// @dev The finder has no more than half of what the operator itself loses, so that it gains nothing by proving itself, whoever
    ///      delegated to it. Its part of the pool is that of the proof: nobody comes or goes while a case is open.
    function take(bytes32 caseId, address finder, uint256 finderBps)
        external
        onlyPenalties
        nonReentrant
        returns (uint256 value)
    {
        if (asideOf[caseId].tokens == 0) revert NoSuchCase(caseId);
        (Pool storage pool, address operator, uint256 tokens) = _close(caseId);
        uint256 bps = finder == address(0) ? 0 : finderBps > MOST_FINDER_BPS ? MOST_FINDER_BPS : finderBps;
        uint256 found = tokens * bps / BPS;
        uint256 most = tokens * _ownShares(operator, pool) / pool.shares / 2;
        if (found > most) found = most;
        emit TakenAway(caseId, operator, tokens, finder, found);
        uint256 rest = _endIfEmpty(operator, pool);
        _payOrOwe(finder, address(token), found);
        _payOrOwe(treasury, address(token), tokens - found + rest);
        return _valueOf(tokens);
    }

    // -------------------------------------------------------------------------------------------------------- rewards

    /// @inheritdoc IStakeSource
    /// @dev Shares that are leaving earn: they can be slashed. Without any share all of it is the operator's. Whatever the epoch it is
    ///      by the shares of now: a sum for all of them in one step has no history.
    function reward(uint48, address operator, address asset, uint256 amount)
        external
        payable
        onlyRewards
        nonReentrant
    {
        _mustBeAsset(asset);
        if (amount > type(uint128).max) revert BadAmount(amount);
        if (msg.value != (asset == address(0) ? amount : 0)) revert NotReceived(asset, amount);
        uint256 held = asset == address(0) ? address(this).balance : IERC20(asset).balanceOf(address(this));
        owed[asset] += amount;
        if (held < owed[asset]) revert NotReceived(asset, amount);
        Pool storage pool = pools[operator];
        uint256 commission = pool.shares == 0 ? amount : amount * _commissionBps(pool) / BPS;
        if (commission != 0) dueOf[operator][asset] += commission;
        if (amount != commission) {
            perShare[operator][pool.generation][asset] += (amount - commission << POINT) / pool.shares;
        }
        emit Rewarded(operator, asset, commission, amount - commission);
    }

    // ---------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IStakeSource
    /// @dev Fails with too little gas and with nothing else: the set would keep what counted before, and with it shares that are
    ///      asked back since and paid while words for that weight can be proven. Where the value cannot be read it is that of
    ///      the rate that was recorded last, or none.
    function stakeOf(address operator) public view returns (uint256) {
        Pool storage pool = pools[operator];
        uint256 tokens = _tokensOf(pool, pool.shares - pool.leaving);
        if (tokens != 0 && gasleft() < VALUE_GAS) revert GasTooLow();
        return _valueOf(tokens);
    }

    /// @inheritdoc IStakeSource
    /// @dev What there is now: shares go from one operator to another by an exit, which counts no more from when it is asked for.
    function stakeSince(address operator, uint48) external view returns (uint256) {
        return stakeOf(operator);
    }

    /// @inheritdoc IStakeSource
    /// @dev A pool can be slashed until it is paid out, whenever the word was signed.
    function slashableOf(address operator, uint48) external view returns (uint256) {
        return _valueOf(pools[operator].tokens);
    }

    /// @inheritdoc IStakeSource
    function reachS() external pure returns (uint256) {
        return type(uint256).max;
    }

    /// @notice Assets in which rewards are paid; the zero address is ether.
    function assets() external view returns (address[] memory) {
        return assetList;
    }

    /// @notice The pool of an operator.
    function poolOf(address operator) external view returns (Pool memory) {
        return pools[operator];
    }

    /// @notice What an operator takes of a reward now.
    function commissionOf(address operator) external view returns (uint256 bps) {
        return _commissionBps(pools[operator]);
    }

    /// @notice What a restaker has with an operator.
    function positionOf(address operator, address restaker) external view returns (Holding memory holding) {
        (Pool storage pool, Position storage position) = (pools[operator], positions[operator][restaker]);
        holding.pending = new uint256[](assetList.length);
        for (uint256 i; i < assetList.length; ++i) {
            address asset = assetList[i];
            uint256 counted = perShare[operator][position.generation][asset] - countedTo[operator][restaker][asset];
            holding.pending[i] = earned[operator][restaker][asset] + (counted * position.shares >> POINT);
        }
        if (position.generation != pool.generation) return holding;
        (holding.shares, holding.leaving) = (position.shares, position.leaving);
        holding.tokens = _tokensOf(pool, position.shares);
        holding.value = _valueOf(holding.tokens);
        if (holding.leaving != 0) (holding.opensAt, holding.closesAt) = (position.opensAt, _closesAt(pool, position));
    }
}
