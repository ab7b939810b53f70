// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {
    ISymbioticDelegator,
    ISymbioticMiddleware,
    ISymbioticNetwork,
    ISymbioticOperatorRewards,
    ISymbioticRegistry,
    ISymbioticSlasher,
    ISymbioticStakerRewards,
    IWrappedEther
} from "../../interfaces/ISymbiotic.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {Connected} from "../Connected.sol";
import {SymbioticVaults} from "./SymbioticVaults.sol";

/// @title A network of Symbiotic that is its own middleware, and pays by Symbiotic's own reward contracts
/// @notice An operator's commission is claimed at DefaultOperatorRewards, by a proof of all it has earned; the rest goes to the vaults
///         that its stake lies in, in proportion to what counts of it, and is claimed there at DefaultStakerRewards.
abstract contract SymbioticPay is IStakeSource, ISymbioticNetwork, Connected {
    /// @notice Gas that reading one vault may take: a fourth is usual, the rest for long histories, which are searched by halves.
    uint256 public constant READ_GAS = 400_000;
    uint256 private constant BPS = 10_000;
    /// @notice Operators in one root; the commission of any beyond is sent to them.
    uint256 public constant MAX_EARNERS = 128;
    /// @notice How long a new commission waits until it counts, so that stakers can leave or know.
    uint48 public constant COMMISSION_DELAY_S = 7 days;
    uint256 private constant PAY_GAS = 700_000;

    /// @param next counts from `at` on
    struct Commission {
        uint16 bps;
        uint16 next;
        uint48 at;
    }

    /// @param due commissions that no root contains yet
    struct Ledger {
        uint256 due;
        address[] earners;
        mapping(address operator => uint256) earned;
    }

    /// @param networkRegistry, middlewareService of Symbiotic's core
    /// @param operatorRewardsFactory, stakerRewardsFactory of Symbiotic's rewards
    /// @param wrappedEther what ether is paid as; Symbiotic's rewards know no ether
    /// @param lastStepS what remains of a vault's epoch for the penalty's last step
    /// @param maxCommissionBps the most that an operator keeps of its rewards
    struct Settings {
        address networkRegistry;
        address middlewareService;
        address operatorRewardsFactory;
        address stakerRewardsFactory;
        address wrappedEther;
        uint48 lastStepS;
        uint16 maxCommissionBps;
    }

    /// @notice Which vaults count, and what is in them.
    SymbioticVaults public immutable vaults;
    /// @notice Holds the operators' commissions: Symbiotic's own contract, made by its factory for this network.
    ISymbioticOperatorRewards public immutable operatorRewards;
    ISymbioticStakerRewards private immutable stakerRewardsFactory;
    IWrappedEther private immutable wrappedEther;
    /// @notice What remains of a vault's epoch for the penalty's last step.
    uint48 public immutable lastStepS;
    /// @notice The most that an operator keeps of its rewards.
    uint16 public immutable maxCommissionBps;

    uint256 private lock = 1;
    mapping(address operator => Commission) private commissions;
    mapping(address asset => Ledger) private ledgers;
    /// @notice Symbiotic's contract that pays a vault's stakers: without fee and admin, since it was made from here.
    mapping(address vault => address) public stakerRewardsOf;
    /// @notice Shares of the stakers of a capture that their contract did not take yet.
    mapping(address vault => mapping(address asset => mapping(uint48 capture => uint256))) public unpaid;

    /// @notice From `at` on the operator keeps so much of its rewards.
    event CommissionSet(address indexed operator, uint256 bps, uint256 at);
    /// @notice An operator earned a commission, the stakers of its vaults the rest.
    event Rewarded(address indexed operator, address indexed asset, uint256 commission, uint256 rest);
    /// @notice The stakers of a vault can claim it.
    event StakersPaid(address indexed vault, address indexed asset, uint256 amount);
    /// @notice Their contract did not take it: `payStakers` tries again.
    event StakersWait(address indexed vault, address indexed asset, uint48 capture, uint256 amount);
    /// @notice The leaves of a root in their order: each operator with all it has earned ever.
    event RootPublished(address indexed asset, bytes32 root, uint256 amount, address[] operators, uint256[] totals);

    /// @notice A setting is zero, out of its range, or does not fit the times of the set.
    error BadSettings();
    /// @notice Less gas than a vault may need: with less it would seem to have nothing.
    error TooLittleGas();
    /// @notice A call from inside another one.
    error Reentrant();
    /// @notice More than maxCommissionBps.
    error BadCommission(uint256 bps);
    /// @notice The operator had no stake here that was frozen for the epoch, or none of it can be read.
    error NothingStaked(address operator);
    /// @notice The ether that was sent is not the amount.
    error BadAmount(uint256 amount);
    /// @notice The token refused the call.
    error TokenRefused(address asset);

    modifier nonReentrant() {
        if (lock != 1) revert Reentrant();
        lock = 2;
        _;
        lock = 1;
    }

    /// @dev Registers itself as a network, and as that network's middleware: nothing else can ever slash for it.
    constructor(Settings memory s, SymbioticVaults.Settings memory listing) {
        if (s.lastStepS == 0 || s.maxCommissionBps > BPS) revert BadSettings();
        if (s.wrappedEther.code.length == 0 || s.stakerRewardsFactory.code.length == 0) revert BadSettings();
        (stakerRewardsFactory, wrappedEther) =
            (ISymbioticStakerRewards(s.stakerRewardsFactory), IWrappedEther(s.wrappedEther));
        (lastStepS, maxCommissionBps) = (s.lastStepS, s.maxCommissionBps);
        vaults = new SymbioticVaults(listing);
        ISymbioticRegistry(s.networkRegistry).registerNetwork();
        ISymbioticMiddleware(s.middlewareService).setMiddleware(address(this));
        operatorRewards = ISymbioticOperatorRewards(ISymbioticOperatorRewards(s.operatorRewardsFactory).create());
    }

    /// @dev Stake must be slashable until the last word that it has weight for is proven, the dispute over and the last step done; it is
    ///      slashed by the second before its capture.
    function _connected() internal view override {
        if (vaults.minReachS() <= set.keepsS() + set.answerS() + vaults.disputeS() + lastStepS) revert BadSettings();
    }

    /// @inheritdoc ISymbioticNetwork
    function adopt(ISymbioticDelegator delegator, ISymbioticSlasher slasher, bool vetoes) external {
        if (msg.sender != address(vaults)) revert NotAllowed(msg.sender);
        delegator.setMaxNetworkLimit(0, type(uint256).max);
        if (vetoes) slasher.setResolver(0, address(this), "");
    }

    // ---------------------------------------------------------------------------------------------------- commission

    /// @notice The caller, an operator: keep so much of the rewards, from COMMISSION_DELAY_S on.
    function setCommission(uint16 bps) external {
        if (bps > maxCommissionBps) revert BadCommission(bps);
        uint48 at = uint48(block.timestamp) + COMMISSION_DELAY_S;
        commissions[msg.sender] = Commission(commissionOf(msg.sender), bps, at);
        emit CommissionSet(msg.sender, bps, at);
    }

    /// @notice What an operator keeps of its rewards now; nothing unless it said so.
    function commissionOf(address operator) public view returns (uint16) {
        Commission storage c = commissions[operator];
        return block.timestamp >= c.at ? c.next : c.bps;
    }

    // --------------------------------------------------------------------------------------------------------- reward

    /// @inheritdoc IStakeSource
    /// @dev To the operator by its commission, and to the stakers of its vaults. Ether is wrapped.
    function reward(uint48 epoch, address operator, address asset, uint256 amount)
        external
        payable
        onlyRewards
        nonReentrant
    {
        if (msg.value != (asset == address(0) ? amount : 0)) revert BadAmount(amount);
        if (asset == address(0)) {
            asset = address(wrappedEther);
            wrappedEther.deposit{value: amount}();
        }
        uint256 commission = amount * commissionOf(operator) / BPS;
        emit Rewarded(operator, asset, commission, amount - commission);
        _share(set.captureOf(epoch, operator), operator, asset, amount - commission);
        if (commission != 0) _earn(operator, asset, commission);
    }

    /// @notice Anybody: hand the stakers of a vault what their contract did not take before.
    /// @param capture of the freeze whose stake it is for
    function payStakers(address vault, address asset, uint48 capture) external nonReentrant {
        _payStakers(vault, asset, capture);
    }

    /// @notice Anybody: put all commissions of an asset into a new root, so that operators can claim them.
    function publish(address asset) external nonReentrant returns (bytes32 root) {
        Ledger storage ledger = ledgers[asset];
        uint256 amount = ledger.due;
        if (amount == 0) revert BadAmount(0);
        ledger.due = 0;
        address[] memory operators = ledger.earners;
        uint256[] memory totals = new uint256[](operators.length);
        for (uint256 i; i < totals.length; ++i) {
            totals[i] = ledger.earned[operators[i]];
        }
        root = _root(operators, totals);
        emit RootPublished(asset, root, amount, operators, totals);
        _allow(asset, address(operatorRewards), amount);
        operatorRewards.distributeRewards(address(this), asset, amount, root);
    }

    /// @notice All that an operator has earned of an asset as commission, published or not.
    function earnedOf(address operator, address asset) external view returns (uint256) {
        return ledgers[asset].earned[operator];
    }

    /// @dev Only this contract, of itself: so that all of it fails or nothing.
    function distribute(address vault, address asset, uint48 capture, uint256 amount) external {
        if (msg.sender != address(this)) revert NotAllowed(msg.sender);
        address payer = stakerRewardsOf[vault];
        _allow(asset, payer, amount);
        // who had shares in the second that the stake was read by; the contract takes no fee
        bytes memory data = abi.encode(capture - 1, uint256(0), "", "");
        ISymbioticStakerRewards(payer).distributeRewards(address(this), asset, amount, data);
    }

    /// @dev By the stake that it was earned with: what has left since has its part of it, what came since has none, whoever chooses the
    ///      moment. Symbiotic's vaults and reward contracts answer for any time that has passed.
    function _share(uint48 capture, address operator, address asset, uint256 amount) private {
        address[] memory all = vaults.vaultsAt(capture);
        (uint256[] memory worth, uint256 total) = (new uint256[](all.length), 0);
        for (uint256 i; i < all.length; ++i) {
            (bool done, bytes memory answer) = _read(abi.encodeCall(SymbioticVaults.stakeThen, (all[i], operator, capture)));
            if (done) total += worth[i] = abi.decode(answer, (uint256));
        }
        if (total == 0) revert NothingStaked(operator);
        for (uint256 i; i < all.length; ++i) {
            if (worth[i] == 0) continue;
            // by what is left of both, so that the last vault gets what rounding kept back
            uint256 part = amount * worth[i] / total;
            (amount, total) = (amount - part, total - worth[i]);
            unpaid[all[i]][asset][capture] += part;
            _payStakers(all[i], asset, capture);
        }
    }

    function _payStakers(address vault, address asset, uint48 capture) private {
        uint256 amount = unpaid[vault][asset][capture];
        if (amount == 0) return;
        if (stakerRewardsOf[vault] == address(0)) {
            ISymbioticStakerRewards.InitParams memory none =
                ISymbioticStakerRewards.InitParams(vault, 0, address(0), address(0), address(0));
            stakerRewardsOf[vault] = stakerRewardsFactory.create(none);
        }
        unpaid[vault][asset][capture] = 0;
        _need(PAY_GAS);
        try this.distribute{gas: PAY_GAS}(vault, asset, capture, amount) {
            emit StakersPaid(vault, asset, amount);
        } catch {
            unpaid[vault][asset][capture] = amount;
            emit StakersWait(vault, asset, capture, amount);
        }
    }

    function _earn(address operator, address asset, uint256 amount) private {
        Ledger storage ledger = ledgers[asset];
        uint256 before = ledger.earned[operator];
        if (before == 0) {
            if (ledger.earners.length == MAX_EARNERS) {
                return _call(asset, abi.encodeWithSignature("transfer(address,uint256)", operator, amount));
            }
            ledger.earners.push(operator);
        }
        ledger.earned[operator] = before + amount;
        ledger.due += amount;
    }

    /// @dev Leaves and pairs as OpenZeppelin's proofs have them, in a complete tree: leaf i is node 2n - 2 - i, the root node 0.
    function _root(address[] memory operators, uint256[] memory totals) private pure returns (bytes32) {
        uint256 size = 2 * operators.length - 1;
        bytes32[] memory tree = new bytes32[](size);
        for (uint256 i; i < operators.length; ++i) {
            bytes32 leaf = keccak256(abi.encode(operators[i], totals[i]));
            tree[size - 1 - i] = keccak256(abi.encode(leaf));
        }
        for (uint256 i = operators.length - 1; i > 0; --i) {
            (bytes32 a, bytes32 b) = (tree[2 * i - 1], tree[2 * i]);
            tree[i - 1] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
        return tree[0];
    }

    function _stakeIn(address vault, address operator, uint48 moment) internal view returns (uint256) {
        (bool done, bytes memory answer) =
            _read(abi.encodeCall(SymbioticVaults.stakeIn, (vault, operator, asideOf(vault, operator), moment)));
        return done ? abi.decode(answer, (uint256)) : 0;
    }

    /// @dev A read of one vault, with its own gas: a vault that fails is alone with it. Never for lack of gas; and as it is looked at
    ///      after a failure, a caller needs no more than a read uses. The set gives a source less than one could use.
    function _read(bytes memory call) internal view returns (bool done, bytes memory answer) {
        bool enough = _has(READ_GAS);
        (done, answer) = address(vaults).staticcall{gas: READ_GAS}(call);
        if (!done && !enough) revert TooLittleGas();
    }

    function _need(uint256 gas) internal view {
        if (!_has(gas)) revert TooLittleGas();
    }

    function _has(uint256 gas) private view returns (bool) {
        return gasleft() >= gas + gas / 32 + 20_000;
    }

    /// @notice Collateral of an operator in a vault that waits for the end of a dispute.
    function asideOf(address vault, address operator) public view virtual returns (uint256);

    function _allow(address asset, address spender, uint256 amount) private {
        _call(asset, abi.encodeWithSignature("approve(address,uint256)", spender, amount));
    }

    /// @dev Some tokens answer nothing.
    function _call(address asset, bytes memory data) private {
        (bool done, bytes memory answer) = asset.call(data);
        if (!done || asset.code.length == 0) revert TokenRefused(asset);
        if (answer.length != 0 && !abi.decode(answer, (bool))) revert TokenRefused(asset);
    }
}
