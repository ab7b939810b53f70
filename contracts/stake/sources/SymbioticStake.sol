// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IERC20} from "../../interfaces/IERC20.sol";
import {IStakeSource} from "../../interfaces/IStakeSource.sol";
import {Connected} from "../Connected.sol";
import {SymbioticPay} from "./SymbioticPay.sol";
import {SymbioticVaults} from "./SymbioticVaults.sol";

/// @title Stake in vaults of Symbiotic's core v1: operators, penalties
/// @notice What operators have in the counted vaults is their stake here. A penalty is requested from each vault at the proof and
///         carried out after the dispute; what is slashed goes to the vault's burner, so no finder is paid from here.
contract SymbioticStake is SymbioticPay {
    /// @notice Penalties that may wait in one vault for one operator.
    uint256 public constant MAX_OPEN = 64;
    uint256 private constant WHOLE = 1e18;
    uint256 private constant REQUEST_GAS = 500_000;
    /// @dev Symbiotic wants 254,000 for a delegator's hook and 153,000 for a burner's, used or not.
    uint256 private constant SLASH_GAS = 1_200_000;

    enum Stage {
        None,
        Seized,
        Ordered,
        Returned
    }

    /// @param done slashed, given back or lapsed
    /// @param capture by which the vault is asked to slash
    /// @param index of the request, if the slasher has a veto
    struct Entry {
        address vault;
        uint48 capture;
        bool done;
        uint128 amount;
        uint128 index;
    }

    struct Case {
        address operator;
        Stage stage;
        Entry[] entries;
    }

    /// @dev A penalty that is put aside in a vault and not yet carried out.
    struct Open {
        bytes32 caseId;
        uint48 capture;
    }

    /// @param amount collateral that is put aside
    struct Aside {
        uint256 amount;
        Open[] open;
    }

    mapping(bytes32 caseId => Case) private cases;
    mapping(address vault => mapping(address operator => Aside)) private aside;

    /// @notice Of an operator's stake in a vault so much waits for the end of the dispute.
    event PutAside(
        bytes32 indexed caseId, address indexed vault, address indexed operator, uint256 amount, uint48 capture
    );
    /// @notice The vault refused the request: nothing of it is put aside.
    event RequestFailed(bytes32 indexed caseId, address indexed vault);
    /// @notice The vault was slashed; `amount` is what left it.
    event VaultSlashed(bytes32 indexed caseId, address indexed vault, uint256 amount);
    /// @notice The vault was not slashed now, by a failure or since an older penalty comes first: `finish` tries again.
    event SlashWaits(bytes32 indexed caseId, address indexed vault);
    /// @notice The vault's time for the capture is over.
    event SlashLapsed(bytes32 indexed caseId, address indexed vault);
    /// @notice Wei that were taken after the penalty was carried out; what its `Settled` told is without them.
    event RestTaken(bytes32 indexed caseId, uint256 value);
    /// @notice The dispute was decided for the operator.
    event CaseReturned(bytes32 indexed caseId);

    /// @notice The case is not at this step, or is here already.
    error WrongStage(bytes32 caseId);
    /// @notice Nothing of the operator's stake at the capture can be put aside.
    error NothingSlashable(address operator, uint48 capture);
    /// @notice A fraction of none, or of more than all.
    error BadFraction(uint256 fraction);

    /// @param maker calls `connect`
    constructor(address maker, Settings memory settings, SymbioticVaults.Settings memory listing)
        Connected(maker)
        SymbioticPay(settings, listing)
    {}

    /// @inheritdoc IStakeSource
    function stakeOf(address operator) external view returns (uint256) {
        return stakeSince(operator, uint48(block.timestamp));
    }

    /// @inheritdoc IStakeSource
    function stakeSince(address operator, uint48 moment) public view returns (uint256 value) {
        address[] memory all = vaults.vaults();
        for (uint256 i; i < all.length; ++i) {
            value += _stakeIn(all[i], operator, moment);
        }
    }

    /// @inheritdoc IStakeSource
    /// @dev Without the discount of `stakeOf`: wei that a penalty can take now.
    function slashableOf(address operator, uint48 capture) external view returns (uint256 value) {
        address[] memory all = vaults.vaults();
        for (uint256 i; i < all.length; ++i) {
            (,, uint256 one) = _slashableIn(all[i], operator, capture);
            value += one;
        }
    }

    /// @inheritdoc IStakeSource
    function reachS() external view returns (uint256) {
        return vaults.leastEpochS() - 1; // by the second before the capture
    }

    /// @notice What was put aside for a case and in which vaults.
    function caseOf(bytes32 caseId) external view returns (Case memory) {
        return cases[caseId];
    }

    /// @inheritdoc SymbioticPay
    function asideOf(address vault, address operator) public view override returns (uint256) {
        return aside[vault][operator].amount;
    }

    /// @inheritdoc IStakeSource
    function seize(address operator, uint256 fraction, uint48 capture, bytes32 caseId)
        external
        onlyPenalties
        nonReentrant
        returns (uint256 value)
    {
        if (fraction == 0 || fraction > WHOLE) revert BadFraction(fraction);
        Case storage c = cases[caseId];
        if (c.stage != Stage.None) revert WrongStage(caseId);
        (c.operator, c.stage) = (operator, Stage.Seized);
        address[] memory all = vaults.vaults();
        for (uint256 i; i < all.length; ++i) {
            value += _seizeIn(all[i], c, fraction, capture, caseId);
        }
        if (c.entries.length == 0) revert NothingSlashable(operator, capture);
    }

    /// @inheritdoc IStakeSource
    /// @dev A request is vetoed while that is possible; later it is enough that nobody but this contract can have it executed.
    function restore(bytes32 caseId) external onlyPenalties nonReentrant {
        Case storage c = cases[caseId];
        if (c.stage != Stage.Seized) revert WrongStage(caseId);
        c.stage = Stage.Returned;
        emit CaseReturned(caseId);
        for (uint256 i; i < c.entries.length; ++i) {
            Entry storage e = c.entries[i];
            e.done = true;
            _release(e, c.operator, caseId);
            SymbioticVaults.Vault memory v = vaults.vaultOf(e.vault);
            if (!v.vetoes) continue;
            _need(REQUEST_GAS);
            try v.slasher.vetoSlash{gas: REQUEST_GAS}(e.index, "") {} catch {}
        }
    }

    /// @inheritdoc IStakeSource
    /// @dev The finder gets nothing from here: Symbiotic sends all to the burner. A vault that fails waits for `finish`.
    function take(bytes32 caseId, address, uint256) external onlyPenalties nonReentrant returns (uint256 value) {
        Case storage c = cases[caseId];
        if (c.stage != Stage.Seized) revert WrongStage(caseId);
        c.stage = Stage.Ordered;
        return _finish(c, caseId);
    }

    /// @notice Anybody: try the vaults again that were not slashed when the penalty was carried out. None is slashed twice.
    function finish(bytes32 caseId) external nonReentrant returns (uint256 value) {
        Case storage c = cases[caseId];
        if (c.stage != Stage.Ordered) revert WrongStage(caseId);
        value = _finish(c, caseId);
        if (value != 0) emit RestTaken(caseId, value);
    }

    function _seizeIn(address vault, Case storage c, uint256 fraction, uint48 capture, bytes32 caseId)
        private
        returns (uint256)
    {
        (uint48 at, uint256 free, uint256 worth) = _slashableIn(vault, c.operator, capture);
        if (free > type(uint128).max) free = type(uint128).max;
        uint256 amount = free * fraction / WHOLE;
        Aside storage a = aside[vault][c.operator];
        if (amount == 0 || a.open.length == MAX_OPEN) return 0;
        uint256 index;
        SymbioticVaults.Vault memory v = vaults.vaultOf(vault);
        if (v.vetoes) {
            _need(REQUEST_GAS);
            try v.slasher.requestSlash{gas: REQUEST_GAS}(_subnetwork(), c.operator, amount, at, "") returns (
                uint256 made
            ) {
                index = made;
            } catch {
                emit RequestFailed(caseId, vault);
                return 0;
            }
        }
        a.amount += amount;
        a.open.push(Open(caseId, at));
        c.entries.push(Entry(vault, at, false, uint128(amount), uint128(index)));
        emit PutAside(caseId, vault, c.operator, amount, at);
        return amount == free ? worth : worth * fraction / WHOLE;
    }

    function _finish(Case storage c, bytes32 caseId) private returns (uint256 value) {
        // the first vault has its gas or the call fails; what the rest of it is too little for waits
        bool some;
        for (uint256 i; i < c.entries.length; ++i) {
            Entry storage e = c.entries[i];
            if (e.done) continue;
            SymbioticVaults.Vault memory v = vaults.vaultOf(e.vault);
            if (block.timestamp > uint256(e.capture) + v.epochS) {
                e.done = true;
                _release(e, c.operator, caseId);
                emit SlashLapsed(caseId, e.vault);
            } else if (_isNext(e, c.operator, v.epochS) && (!some || gasleft() > SLASH_GAS + SLASH_GAS / 16)) {
                some = true;
                value += _slash(c, e, v, caseId);
            } else {
                emit SlashWaits(caseId, e.vault);
            }
        }
    }

    /// @dev What is put aside is released after the slash, so that no view shows stake twice in between.
    function _slash(Case storage c, Entry storage e, SymbioticVaults.Vault memory v, bytes32 caseId) private returns (uint256) {
        _need(SLASH_GAS);
        e.done = true;
        uint256 before = IERC20(v.collateral).balanceOf(e.vault);
        bool done;
        if (v.vetoes) {
            try v.slasher.executeSlash{gas: SLASH_GAS}(e.index, "") returns (uint256) {
                done = true;
            } catch {}
        } else {
            try v.slasher.slash{gas: SLASH_GAS}(_subnetwork(), c.operator, e.amount, e.capture, "") returns (uint256) {
                done = true;
            } catch {}
        }
        if (!done) {
            e.done = false;
            emit SlashWaits(caseId, e.vault);
            return 0;
        }
        _release(e, c.operator, caseId);
        uint256 left = IERC20(v.collateral).balanceOf(e.vault);
        // a hook may move collateral in or out meanwhile: no more is said than was asked for
        uint256 amount = left < before ? before - left : 0;
        if (amount > e.amount) amount = e.amount;
        emit VaultSlashed(caseId, e.vault, amount);
        (bool read, bytes memory answer) = _read(abi.encodeCall(SymbioticVaults.valueIn, (e.vault, amount)));
        return read ? abi.decode(answer, (uint256)) : 0;
    }

    /// @dev Symbiotic refuses a capture older than the newest it slashed: of an operator's penalties in a vault the oldest comes first,
    ///      as long as the vault's time for it lasts.
    function _isNext(Entry storage e, address operator, uint256 epochS) private view returns (bool) {
        Open[] storage open = aside[e.vault][operator].open;
        for (uint256 i; i < open.length; ++i) {
            uint256 capture = open[i].capture;
            if (capture < e.capture && block.timestamp <= capture + epochS) return false;
        }
        return true;
    }

    function _release(Entry storage e, address operator, bytes32 caseId) private {
        Aside storage a = aside[e.vault][operator];
        a.amount -= e.amount;
        uint256 last = a.open.length - 1;
        for (uint256 i; i < last; ++i) {
            if (a.open[i].caseId == caseId) a.open[i] = a.open[last];
        }
        a.open.pop();
    }

    function _slashableIn(address vault, address operator, uint48 capture)
        private
        view
        returns (uint48 at, uint256 amount, uint256 value)
    {
        (bool done, bytes memory answer) = _read(
            abi.encodeCall(SymbioticVaults.slashableIn, (vault, operator, capture, aside[vault][operator].amount))
        );
        if (done) (at, amount, value) = abi.decode(answer, (uint48, uint256, uint256));
    }

    function _subnetwork() private view returns (bytes32) {
        return bytes32(uint256(uint160(address(this))) << 96);
    }
}
