// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAllocationManager, OperatorSet} from "../../interfaces/IEigenLayer.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {EigenRewards} from "./EigenRewards.sol";
import {EigenService} from "./EigenService.sol";

/// @title EigenStake: stake in EigenLayer's core, liquid tokens and native ether
/// @notice Service, registrar and slasher of one operator set at once. An operator registers for the set in EigenLayer, with its
///         report key's consent; what it allocates to the set can be slashed by nobody else, so it counts whole.
/// @dev EigenLayer can put nothing aside: a penalty is kept here as magnitude that is spoken for, which no longer counts as
///      stake, and is slashed once the dispute is over. So what leaves must stay slashable for the whole of it: see `reachS`.
///      What EigenLayer slashes is burned: no finder is paid here. It can pause slashing, and its contracts can be replaced
///      by its governance; where that shortened the delays, nothing here counts as stake any more.
contract EigenStake is IStakeSource, EigenRewards {
    /// @dev Magnitudes by strategy; `taking`: a strategy failed in `take` and may be tried again.
    struct Held {
        address operator;
        bool taking;
        uint64[MOST_STRATEGIES] magnitudes;
    }

    /// @notice Blocks for which what leaves could still be slashed when this was deployed.
    uint32 public immutable blocks;

    mapping(bytes32 caseId => Held) private heldBy;
    mapping(address operator => uint64[MOST_STRATEGIES]) private heldOf;

    /// @notice A part of what can be slashed is spoken for.
    event StakeHeld(bytes32 indexed caseId, address indexed operator, uint256 value);
    /// @notice Nothing was slashed: it counts as stake again.
    event StakeRestored(bytes32 indexed caseId, address indexed operator);
    /// @notice Slashed in EigenLayer. `failed`: so many strategies could not be, see `takeRest`.
    event StakeTaken(bytes32 indexed caseId, address indexed operator, uint256 value, uint256 failed);

    /// @notice A case of this name has something here.
    error KnownCase(bytes32 caseId);
    /// @notice No case of this name has anything here, or it cannot be asked for this.
    error UnknownCase(bytes32 caseId);
    /// @notice The operator has nothing that can be slashed for the capture, or the fraction is none.
    error NothingToHold(address operator);
    /// @notice EigenLayer refused to slash, in every strategy. Try again.
    error SlashingFailed(bytes32 caseId);

    /// @param settings the core, the module's own contracts, the chain
    /// @param listed_ strategies of the operator set, ascending
    constructor(Settings memory settings, Listed[] memory listed_) EigenService(settings, listed_) {
        blocks = _blocks();
    }

    // --------------------------------------------------------------------------------------------------------- stake

    /// @inheritdoc IStakeSource
    /// @dev Nothing that is on its way out counts, however far it has come: not what is being deallocated or withdrawn, not the
    ///      stake of an operator that has left the set. Fails where a strategy does in which the operator has something: then the set
    ///      keeps what counted before, for what leaves meanwhile can be slashed for longer than that.
    function stakeOf(address operator) public view returns (uint256 value) {
        (uint256 liquid, uint256 native) = stakeByKind(operator);
        return liquid + native;
    }

    /// @inheritdoc IStakeSource
    /// @dev What there is now: what is allocated goes to another operator by EigenLayer's delays, which counts no more from when it is asked for.
    function stakeSince(address operator, uint48) external view returns (uint256) {
        return stakeOf(operator);
    }

    /// @notice `stakeOf` by kind.
    /// @return liquid wei of tokens
    /// @return native wei of ether in validators
    function stakeByKind(address operator) public view returns (uint256 liquid, uint256 native) {
        OperatorSet memory ours = _set();
        if (_blocks() < blocks || !allocations.isMemberOfOperatorSet(operator, ours)) return (0, 0);
        (address[] memory one, address[] memory strategies) = (new address[](1), _strategies());
        one[0] = operator;
        // a deallocation of this very block takes effect one block after the delay
        uint32 outBy = uint32(block.number) + allocations.DEALLOCATION_DELAY() + 1;
        uint256[] memory shares = allocations.getMinimumSlashableStake(ours, one, strategies, outBy)[0];
        for (uint256 i; i < strategies.length; ++i) {
            uint256 free = shares[i];
            uint256 held = heldOf[operator][i];
            if (free != 0 && held != 0) {
                uint256 magnitude = allocations.getAllocation(operator, ours, strategies[i]).currentMagnitude;
                free = magnitude > held ? free * (magnitude - held) / magnitude : 0;
            }
            (bool read, uint256 value) = _read(i, free);
            if (!read) revert UnreadableStrategy(strategies[i]);
            if (strategies[i] == NATIVE) native += value;
            else liquid += value;
        }
    }

    /// @inheritdoc IStakeSource
    /// @dev EigenLayer keeps no history that can be read by time: it is what can be slashed now, also of what is leaving, less what
    ///      is spoken for. Nothing for a capture that is further back than the reach, for then other stake may be in its place.
    function slashableOf(address operator, uint48 capture) external view returns (uint256 value) {
        if (!_reaches(operator, capture)) return 0;
        for (uint256 i; i < listed.length; ++i) {
            (uint256 magnitude, uint256 most, uint256 shares) = _position(operator, i);
            uint256 held = heldOf[operator][i];
            if (magnitude > held) value += _worth(i, shares * (magnitude - held) / most);
        }
    }

    /// @inheritdoc IStakeSource
    /// @dev The lesser of EigenLayer's two delays. What leaves in the block of the capture can be slashed in the block that many
    ///      later, and with at least `secondsPerBlock` between two blocks that is at least so much later.
    function reachS() external view returns (uint256) {
        return uint256(_blocks()) * secondsPerBlock;
    }

    // ----------------------------------------------------------------------------------------------------- penalties

    /// @inheritdoc IStakeSource
    /// @dev What is kept is magnitude, EigenLayer's measure of what an operator allocated. So what it allocates later is not slashed
    ///      for what it signed before, and of cases that overlap each takes its part of what the others left, whichever is carried
    ///      out first. Whoever delegates to the operator in between shares its losses.
    function seize(address operator, uint256 fraction, uint48 capture, bytes32 caseId)
        external
        onlyPenalties
        nonReentrant
        returns (uint256 value)
    {
        Held storage held = heldBy[caseId];
        if (held.operator != address(0)) revert KnownCase(caseId);
        if (fraction == 0 || fraction > WHOLE || !_reaches(operator, capture)) revert NothingToHold(operator);
        held.operator = operator;
        uint64[MOST_STRATEGIES] storage heldHere = heldOf[operator];
        bool any;
        for (uint256 i; i < listed.length; ++i) {
            (uint256 magnitude, uint256 most, uint256 shares) = _position(operator, i);
            if (magnitude <= heldHere[i] || shares == 0) continue;
            // rounded up, as EigenLayer does: a magnitude that is left of many slashes is never too small to be slashed
            uint256 part = ((magnitude - heldHere[i]) * fraction + WHOLE - 1) / WHOLE;
            any = true;
            // part <= magnitude <= 1e18
            held.magnitudes[i] = uint64(part);
            heldHere[i] += uint64(part);
            value += _worth(i, shares * part / most);
        }
        if (!any) revert NothingToHold(operator);
        emit StakeHeld(caseId, operator, value);
    }

    /// @inheritdoc IStakeSource
    function restore(bytes32 caseId) external onlyPenalties {
        Held storage held = heldBy[caseId];
        address operator = held.operator;
        if (operator == address(0) || held.taking) revert UnknownCase(caseId);
        uint64[MOST_STRATEGIES] storage heldHere = heldOf[operator];
        for (uint256 i; i < listed.length; ++i) heldHere[i] -= held.magnitudes[i];
        delete heldBy[caseId];
        emit StakeRestored(caseId, operator);
    }

    /// @inheritdoc IStakeSource
    /// @dev Nobody is paid for finding: EigenLayer burns what it slashes. What can be slashed no longer, since its time is over, is
    ///      given up. Reverts if EigenLayer refuses in every strategy, for example while it is paused.
    function take(bytes32 caseId, address, uint256) external onlyPenalties nonReentrant returns (uint256 value) {
        return _take(caseId);
    }

    /// @notice Anybody: slash what EigenLayer refused in some strategies when the penalty was carried out.
    function takeRest(bytes32 caseId) external nonReentrant returns (uint256 value) {
        if (!heldBy[caseId].taking) revert UnknownCase(caseId);
        return _take(caseId);
    }

    function _take(bytes32 caseId) private returns (uint256 value) {
        Held storage held = heldBy[caseId];
        address operator = held.operator;
        if (operator == address(0)) revert UnknownCase(caseId);
        bool slashable = allocations.isOperatorSlashable(operator, _set());
        (uint256 tried, uint256 failed) = (0, 0);
        for (uint256 i; i < listed.length; ++i) {
            uint64 part = held.magnitudes[i];
            if (part == 0) continue;
            ++tried;
            (bool done, uint256 taken) = slashable ? _slash(operator, i, part) : (true, 0);
            if (!done) {
                ++failed;
                continue;
            }
            value += taken;
            held.magnitudes[i] = 0;
            heldOf[operator][i] -= part;
        }
        if (failed != 0 && failed == tried) revert SlashingFailed(caseId);
        if (failed == 0) delete heldBy[caseId];
        else held.taking = true;
        emit StakeTaken(caseId, operator, value, failed);
    }

    /// @dev One strategy at a time, so that one that fails takes no other along.
    function _slash(address operator, uint256 index, uint256 part) private returns (bool done, uint256 value) {
        (uint256 magnitude, uint256 most, uint256 shares) = _position(operator, index);
        if (part > magnitude) part = magnitude;
        if (part == 0) return (true, 0);
        value = _worth(index, shares * part / most);
        address[] memory strategies = new address[](1);
        uint256[] memory wads = new uint256[](1);
        // rounded down here and up there: with magnitudes of at most 1e18 exactly the part is slashed
        (strategies[0], wads[0]) = (listed[index].strategy, part * WHOLE / magnitude);
        IAllocationManager.SlashingParams memory params =
            IAllocationManager.SlashingParams(operator, setId, strategies, wads, "lrt-oracle: two words for one round");
        try allocations.slashOperator(address(this), params) {
            return (true, value);
        } catch {
            return (false, 0);
        }
    }

    function _blocks() private view returns (uint32) {
        uint32 delay = allocations.DEALLOCATION_DELAY();
        uint32 queued = delegation.minWithdrawalDelayBlocks();
        return delay < queued ? delay : queued;
    }

    function _reaches(address operator, uint48 capture) private view returns (bool) {
        if (capture > block.timestamp || block.timestamp > capture + uint256(_blocks()) * secondsPerBlock) return false;
        return allocations.isOperatorSlashable(operator, _set());
    }

    /// @return magnitude of the operator's that can be slashed now
    /// @return most its magnitude in all; 0 if all was slashed, then the magnitude is 0 too
    /// @return shares that the latter stands for, those that are queued for withdrawal and can be slashed with it
    function _position(address operator, uint256 index)
        private
        view
        returns (uint256 magnitude, uint256 most, uint256 shares)
    {
        address strategy = listed[index].strategy;
        magnitude = allocations.getAllocation(operator, _set(), strategy).currentMagnitude;
        most = allocations.getMaxMagnitude(operator, strategy);
        shares = delegation.operatorShares(operator, strategy) + delegation.getSlashableSharesInQueue(operator, strategy);
    }
}
