// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {ICollateralValues} from "../../interfaces/ICollateralValues.sol";
import {IERC20} from "../../interfaces/IERC20.sol";
import {Connected} from "../Connected.sol";

/// @title What DelegatedStake keeps: a pool an operator, positions in it, rewards by share, payments
/// @dev Amounts are in the contract's own books, so a donation moves nothing. Within a pool tokens never outnumber shares: they
///      begin equal, a penalty takes tokens only, and every rounding leaves its remainder to the pool. So one share is never worth
///      more than one token, and no first depositor can make it so.
abstract contract DelegatedPools is IStakeSource, Connected {
    uint256 internal constant WHOLE = 1e18;
    uint256 internal constant BPS = 10_000;
    /// @dev A reward by share has so many bits behind the point.
    uint256 internal constant POINT = 96;
    /// @dev A pool with more shares than 2^32 for a token is over: its shares could not be counted any more.
    uint256 internal constant MOST_SHARES = 32;
    /// @dev For a receiver of ether, which is enough for a wallet that is a contract. It is too little for a call of the penalties: while
    ///      a payment is under way nothing can be put aside or taken here, and they would go on without it.
    uint256 private constant RECEIVER_GAS = 100_000;

    /// @param tokens not set aside; those of shares that are leaving too
    /// @param shares all, leaving or not
    /// @param generation begins at 0; a pool that was taken to nothing goes on as the next one
    /// @param leaving shares that were asked back
    /// @param waitsSince begin of the wait if `openCases` is not 0
    /// @param waitedS seconds of all waits before
    /// @param openCases penalties that are neither taken nor given back
    /// @param commissionBps in force unless the next one is
    /// @param nextBps a higher commission that is announced
    /// @param nextAt when it is in force; 0 for none
    /// @param aside tokens of open cases
    struct Pool {
        uint96 tokens;
        uint128 shares;
        uint32 generation;
        uint128 leaving;
        uint48 waitsSince;
        uint32 waitedS;
        uint16 openCases;
        uint16 commissionBps;
        bool enrolled;
        uint16 nextBps;
        uint48 nextAt;
        uint96 aside;
    }

    /// @param since when the restaker deposited last
    /// @param opensAt when `leaving` can be withdrawn
    /// @param waitedS seconds that the pool had waited when they were asked back
    struct Position {
        uint128 shares;
        uint128 leaving;
        uint32 generation;
        uint48 since;
        uint48 opensAt;
        uint32 waitedS;
    }

    /// @dev An id is used once: the operator stays, the tokens go.
    struct Aside {
        address operator;
        uint96 tokens;
    }

    /// @notice The token that is delegated; it does not rebase.
    IERC20 public immutable token;
    /// @notice Its value in wei.
    ICollateralValues public immutable values;
    /// @notice Receives what is taken, less the finder's share.
    address public immutable treasury;
    /// @notice Seconds for which an exit stays open; so long does a deposit stay at least.
    uint256 public immutable windowS;
    /// @notice No operator takes more than this.
    uint256 public immutable maxCommissionBps;

    /// @notice Units of an asset that are owed, by pools, cases and rewards together; zero address: ether.
    mapping(address asset => uint256) public owed;
    /// @notice Units of an asset that are an account's: commissions, and what could not be paid to it.
    mapping(address who => mapping(address asset => uint256)) public dueOf;
    /// @notice What a case has put aside; the operator stays when it is over.
    mapping(bytes32 caseId => Aside) public asideOf;

    mapping(address operator => Pool) internal pools;
    mapping(address operator => mapping(address restaker => Position)) internal positions;
    /// @dev Units an asset's share, of all rewards of a generation.
    mapping(address operator => mapping(uint256 generation => mapping(address asset => uint256))) internal perShare;
    mapping(address operator => mapping(address restaker => mapping(address asset => uint256))) internal countedTo;
    mapping(address operator => mapping(address restaker => mapping(address asset => uint256))) internal earned;
    address[] internal assetList;
    uint256 private lock = 1;

    /// @notice An account was paid.
    event Paid(address indexed who, address indexed asset, uint256 amount);
    /// @notice An account could not be paid: it may ask for it, or anybody for it.
    event CouldNotPay(address indexed who, address indexed asset, uint256 amount);
    /// @notice A pool was taken to nothing, or to a rest that cannot be counted: its shares are worth nothing.
    event GenerationEnded(address indexed operator, uint256 generation, uint256 rest);

    /// @notice A setting is zero or out of its bounds, an asset is listed twice, or the token's value is not known.
    error BadSettings();
    /// @notice A call from within a payment.
    error Reentered();
    /// @notice The token answered false, reverted, or moved another amount.
    error TokenFailed();
    /// @notice The account refuses the payment.
    error PaymentFailed(address who);
    /// @notice There is nothing to pay.
    error NothingDue();
    /// @notice Rewards are not paid in this asset.
    error UnknownAsset(address asset);

    modifier nonReentrant() {
        if (lock != 1) revert Reentered();
        lock = 2;
        _;
        lock = 1;
    }

    // ------------------------------------------------------------------------------------------------------ positions

    /// @dev What a restaker earned up to now is counted; shares of a generation that ended are forgotten.
    function _settled(address operator, address restaker) internal returns (Pool storage pool, Position storage position) {
        (pool, position) = (pools[operator], positions[operator][restaker]);
        for (uint256 i; i < assetList.length; ++i) _count(operator, restaker, assetList[i]);
        if (position.generation == pool.generation) return (pool, position);
        (position.shares, position.leaving, position.generation) = (0, 0, pool.generation);
        for (uint256 i; i < assetList.length; ++i) {
            countedTo[operator][restaker][assetList[i]] = perShare[operator][pool.generation][assetList[i]];
        }
    }

    /// @dev The position in the pool as it is now; shares do not change, so rewards need not be counted.
    function _present(address operator, address restaker) internal returns (Pool storage pool, Position storage position) {
        (pool, position) = (pools[operator], positions[operator][restaker]);
        if (position.generation != pool.generation) _settled(operator, restaker);
    }

    /// @dev What a restaker earned in one asset, up to now or to the end of its generation.
    function _count(address operator, address restaker, address asset) internal {
        Position storage position = positions[operator][restaker];
        uint256 whole = perShare[operator][position.generation][asset];
        uint256 counted = countedTo[operator][restaker][asset];
        if (whole == counted) return;
        countedTo[operator][restaker][asset] = whole;
        if (position.shares != 0) earned[operator][restaker][asset] += (whole - counted) * position.shares >> POINT;
    }

    /// @dev What the operator has of its own pool, leaving or not.
    function _ownShares(address operator, Pool storage pool) internal view returns (uint256) {
        Position storage own = positions[operator][operator];
        return own.generation == pool.generation ? own.shares : 0;
    }

    /// @dev Tokens of shares, rounded down.
    function _tokensOf(Pool storage pool, uint256 shares) internal view returns (uint256) {
        return shares == 0 ? 0 : shares * pool.tokens / pool.shares;
    }

    function _waitedS(Pool storage pool) internal view returns (uint256) {
        return pool.waitedS + (pool.openCases == 0 ? 0 : block.timestamp - pool.waitsSince);
    }

    /// @dev The last second of an exit; grows while its pool waits for a case.
    function _closesAt(Pool storage pool, Position storage position) internal view returns (uint256) {
        return position.opensAt + windowS + _waitedS(pool) - position.waitedS;
    }

    function _commissionBps(Pool storage pool) internal view returns (uint256) {
        return pool.nextAt != 0 && block.timestamp >= pool.nextAt ? pool.nextBps : pool.commissionBps;
    }

    /// @dev Wei of tokens; where their rate cannot be read by the one that was recorded last, or none: nothing may depend on that it can.
    function _valueOf(uint256 tokens) internal view returns (uint256) {
        if (tokens == 0) return 0;
        try values.valueOf(address(token), tokens) returns (uint256 value) {
            return value;
        } catch {
            return values.recordedValueOf(address(token), tokens);
        }
    }

    // ---------------------------------------------------------------------------------------------------------- cases

    /// @dev A case ends. Deposits and withdrawals wait while any is open, so all of them are of one generation.
    function _close(bytes32 caseId) internal returns (Pool storage pool, address operator, uint256 tokens) {
        (operator, tokens) = (asideOf[caseId].operator, asideOf[caseId].tokens);
        pool = pools[operator];
        asideOf[caseId].tokens = 0;
        pool.aside -= uint96(tokens);
        pool.openCases -= 1;
        if (pool.openCases == 0) pool.waitedS += uint32(block.timestamp - pool.waitsSince);
    }

    /// @dev Of a pool that no case waits for any more: if less than 2^-32 is left of it, that goes too and the next one begins.
    function _endIfEmpty(address operator, Pool storage pool) internal returns (uint256 rest) {
        rest = pool.tokens;
        if (pool.openCases != 0 || pool.shares <= rest << MOST_SHARES) return 0;
        emit GenerationEnded(operator, pool.generation, rest);
        (pool.tokens, pool.shares, pool.leaving) = (0, 0, 0);
        pool.generation += 1;
    }

    // ------------------------------------------------------------------------------------------------------- payments

    /// @dev Pays, or writes down what the account could not be paid: nobody's refusal keeps a case open.
    function _payOrOwe(address who, address asset, uint256 amount) internal {
        if (amount == 0) return;
        owed[asset] -= amount;
        if (_send(who, asset, amount)) {
            emit Paid(who, asset, amount);
            return;
        }
        owed[asset] += amount;
        dueOf[who][asset] += amount;
        emit CouldNotPay(who, asset, amount);
    }

    function _pay(address who, address asset, uint256 amount) internal {
        if (amount == 0) revert NothingDue();
        owed[asset] -= amount;
        if (!_send(who, asset, amount)) revert PaymentFailed(who);
        emit Paid(who, asset, amount);
    }

    function _send(address who, address asset, uint256 amount) private returns (bool) {
        if (asset == address(0)) {
            (bool taken,) = who.call{value: amount, gas: RECEIVER_GAS}("");
            return taken;
        }
        (bool done, bytes memory answer) = asset.call(abi.encodeCall(IERC20.transfer, (who, amount)));
        return done && (answer.length == 0 || answer.length >= 32 && uint256(bytes32(answer)) == 1);
    }

    function _mustBeAsset(address asset) internal view {
        for (uint256 i; i < assetList.length; ++i) if (assetList[i] == asset) return;
        revert UnknownAsset(asset);
    }

    /// @dev Takes tokens of the caller; one that takes a fee is refused.
    function _receive(uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        if (!token.transferFrom(msg.sender, address(this), amount)) revert TokenFailed();
        if (token.balanceOf(address(this)) != before + amount) revert TokenFailed();
    }
}
