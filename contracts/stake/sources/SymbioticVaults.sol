// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {ICollateralValues} from "../../interfaces/ICollateralValues.sol";
import {
    ISymbioticDelegator,
    ISymbioticNetwork,
    ISymbioticRegistry,
    ISymbioticSlasher,
    ISymbioticVault
} from "../../interfaces/ISymbiotic.sol";

/// @title The vaults of Symbiotic whose stake counts for one network, and what an operator has in them
/// @notice Nobody owns the list: anybody may have a vault counted that fits and gave the network enough, and have one retired that
///         no longer does.
contract SymbioticVaults {
    /// @dev As many as a penalty can reach with the gas that it has for a source.
    uint256 private constant MOST_COUNTED = 5;
    /// @dev Vaults that have left and are remembered. To have so many leave takes six epochs of a vault, with as many on the list as can be.
    uint256 private constant MOST_LEFT = 64;
    uint256 private constant BPS = 10_000;
    /// @dev With less than this in all nothing could be written after a failure, so too little gas retires nothing.
    uint256 private constant VERSION_GAS = 100_000;
    /// @dev What both ways to value collateral may need: whoever calls with less does not decide which of them it is.
    uint256 private constant VALUE_GAS = 130_000;
    uint64 private constant FULL_RESTAKE = 1;
    uint64 private constant OPERATOR_NETWORK = 3;
    uint64 private constant VETO = 1;

    /// @param factory of Symbiotic's vaults
    /// @param values wei of collateral
    /// @param minReachS least epoch of a vault that counts
    /// @param disputeS longest veto: after the dispute nothing may keep a penalty back
    /// @param sharedBps how much of stake counts that other networks can slash too
    /// @param minValue wei that a vault must have given the network to be counted
    /// @param maxCounted how many vaults may count, 5 at most: no more than can be read with what the set gives a source for each
    ///        operator, or whoever fills the list silences all of it
    /// @param burners where slashed collateral may go: a burner that belongs to the operator would give it back
    struct Settings {
        address factory;
        address values;
        uint48 minReachS;
        uint48 disputeS;
        uint16 sharedBps;
        uint256 minValue;
        uint256 maxCounted;
        address[] burners;
    }

    /// @param countedAt captures from then on can be slashed; 0: not listed
    /// @param retiredAt captures after it stand for nothing here; 0: counts
    /// @param epochS of the vault: how long a capture can be slashed; 0: was not prepared
    /// @param vetoes whether the slasher takes requests and waits, or slashes at once
    /// @param shared whether other networks can slash the same stake
    /// @param version of the vault's code as it was looked at
    /// @param vetoS how long a request waits, if the slasher takes requests
    struct Vault {
        ISymbioticDelegator delegator;
        uint48 countedAt;
        uint48 retiredAt;
        ISymbioticSlasher slasher;
        uint48 epochS;
        bool vetoes;
        bool shared;
        address collateral;
        uint64 version;
        uint32 vetoS;
    }

    /// @dev A vault that has left the list: rewards of captures at which it counted are still for its stakers.
    struct Left {
        address vault;
        uint48 countedAt;
        uint48 retiredAt;
    }

    /// @notice The network, which is its own middleware: it made this contract.
    ISymbioticNetwork public immutable network;
    /// @notice Its address and identifier 0, as Symbiotic names a subnetwork.
    bytes32 public immutable subnetwork;
    ISymbioticRegistry public immutable factory;
    ICollateralValues public immutable values;
    uint48 public immutable minReachS;
    uint48 public immutable disputeS;
    uint16 public immutable sharedBps;
    uint256 public immutable minValue;
    /// @notice How many vaults may count.
    uint256 public immutable maxCounted;
    /// @notice How many may count or still be slashable: twice as many.
    uint256 public immutable maxListed;

    mapping(address burner => bool) public isBurner;
    mapping(address vault => Vault) private known;
    address[] private listed;
    /// @dev In a ring: the newest takes the place of the oldest.
    Left[] private left;
    uint256 private removals;

    /// @notice The vault fits: its curator can give the network stake from now on.
    event VaultPrepared(address indexed vault);
    /// @notice Captures from now on count the vault's stake.
    event VaultCounted(address indexed vault, uint256 value);
    /// @notice Captures from now on do not count it.
    event VaultRetired(address indexed vault);
    /// @notice Nothing in it can be slashed any more.
    event VaultRemoved(address indexed vault);

    /// @notice A setting is zero or out of its range.
    error BadVaultSettings();
    /// @notice The vault is refused: see `prepare` for what it must be.
    error UnfitVault(address vault);
    /// @notice The vault is not in the state that this call is for; or is to be displaced while there is room.
    error WrongState(address vault);
    /// @notice What the vault gave the network is worth too little to be counted, or too much to be retired.
    error WrongValue(address vault, uint256 value);
    /// @notice No room: name a vault that gave less than half as much, or remove a retired one.
    error ListFull();
    /// @notice The caller gave so little gas that the value might not be read for that alone.
    error GasTooLow();

    constructor(Settings memory s) {
        if (s.sharedBps > BPS || s.minValue == 0 || s.disputeS == 0 || s.minReachS == 0) revert BadVaultSettings();
        if (s.maxCounted == 0 || s.maxCounted > MOST_COUNTED) revert BadVaultSettings();
        if (s.values.code.length == 0 || s.factory.code.length == 0) revert BadVaultSettings();
        (factory, values) = (ISymbioticRegistry(s.factory), ICollateralValues(s.values));
        (minReachS, disputeS, sharedBps) = (s.minReachS, s.disputeS, s.sharedBps);
        (minValue, maxCounted, maxListed) = (s.minValue, s.maxCounted, 2 * s.maxCounted);
        network = ISymbioticNetwork(msg.sender);
        subnetwork = bytes32(uint256(uint160(msg.sender)) << 96);
        for (uint256 i; i < s.burners.length; ++i) {
            if (s.burners[i] == address(0)) revert BadVaultSettings();
            isBurner[s.burners[i]] = true;
        }
    }

    // ---------------------------------------------------------------------------------------------------------- list

    /// @notice Anybody: look at a vault and let its curator give the network stake. It must be of Symbiotic's factory, its collateral
    ///         listed, its epoch at least minReachS, its burner one of those named at deployment, its slasher one of the
    ///         two known and without a veto longer than the dispute. A full-restake vault gives everybody all of the same
    ///         stake, and is refused. Of a slasher with a veto the network becomes the resolver, at once, since it had none.
    function prepare(address vault) external {
        Vault storage v = known[vault];
        if (v.epochS != 0) revert WrongState(vault);
        if (!factory.isEntity(vault)) revert UnfitVault(vault);
        ISymbioticVault at = ISymbioticVault(vault);
        if (!at.isInitialized() || at.slasher() == address(0)) revert UnfitVault(vault);
        (v.collateral, v.version, v.epochS) = (at.collateral(), at.version(), at.epochDuration());
        (v.delegator, v.slasher) = (ISymbioticDelegator(at.delegator()), ISymbioticSlasher(at.slasher()));
        (uint64 kind, uint64 slasherKind) = (v.delegator.TYPE(), v.slasher.TYPE());
        if (kind == FULL_RESTAKE || kind > OPERATOR_NETWORK || slasherKind > VETO) revert UnfitVault(vault);
        if (!values.isCollateral(v.collateral) || !isBurner[at.burner()]) revert UnfitVault(vault);
        (v.vetoes, v.shared) = (slasherKind == VETO, kind != OPERATOR_NETWORK);
        uint48 vetoS = v.vetoes ? v.slasher.vetoDuration() : 0;
        if (v.epochS < minReachS || vetoS > disputeS || vetoS > type(uint32).max) revert UnfitVault(vault);
        v.vetoS = uint32(vetoS);
        emit VaultPrepared(vault);
        network.adopt(v.delegator, v.slasher, v.vetoes);
    }

    /// @notice Anybody: count a prepared vault that gave the network minValue or more. A retired one must be off the list before, as
    ///         captures from before and after its break would have more vaults answer than count.
    /// @param displaced where maxCounted vaults count: one that gave less than half as much, which is retired; else zero
    function addVault(address vault, address displaced) external {
        Vault storage v = known[vault];
        if (v.epochS == 0 || v.countedAt != 0) revert WrongState(vault);
        if (!_fits(vault)) revert UnfitVault(vault);
        uint256 value = committedOf(vault);
        if (value < minValue) revert WrongValue(vault, value);
        if (displaced != address(0)) {
            uint256 less = committedOf(displaced);
            if (less >= value / 2) revert WrongValue(displaced, less);
            _retire(displaced);
        }
        if (listed.length == maxListed) revert ListFull();
        listed.push(vault);
        v.countedAt = uint48(block.timestamp);
        uint256 counted;
        for (uint256 i; i < listed.length; ++i) {
            if (known[listed[i]].retiredAt == 0) ++counted;
        }
        if (counted > maxCounted) revert ListFull();
        if (displaced != address(0) && counted < maxCounted) revert WrongState(displaced);
        emit VaultCounted(vault, value);
    }

    /// @notice Anybody: a vault that gave the network less than half of minValue, or no longer fits, stops counting. What it
    ///         had at captures up to now stays slashable. A rate that cannot be read retires nothing.
    function retireVault(address vault) external {
        if (_fits(vault)) {
            uint256 value = committedOf(vault);
            if (value >= minValue / 2) revert WrongValue(vault, value);
        }
        _retire(vault);
    }

    /// @notice Anybody: drop a retired vault from the list once no capture that counted it can be slashed.
    function removeVault(address vault) external {
        Vault storage v = known[vault];
        if (v.retiredAt == 0 || block.timestamp <= uint256(v.retiredAt) + v.epochS) revert WrongState(vault);
        Left memory one = Left(vault, v.countedAt, v.retiredAt);
        if (left.length < MOST_LEFT) left.push(one);
        else left[removals % MOST_LEFT] = one;
        ++removals;
        (v.countedAt, v.retiredAt) = (0, 0);
        uint256 last = listed.length - 1;
        for (uint256 i; i < last; ++i) {
            if (listed[i] == vault) listed[i] = listed[last];
        }
        listed.pop();
        emit VaultRemoved(vault);
    }

    /// @notice What is known of a vault that was prepared.
    function vaultOf(address vault) external view returns (Vault memory) {
        return known[vault];
    }

    /// @notice The least epoch of the listed vaults.
    function leastEpochS() external view returns (uint256 least) {
        least = listed.length == 0 ? minReachS : type(uint48).max;
        for (uint256 i; i < listed.length; ++i) {
            uint256 epochS = known[listed[i]].epochS;
            if (epochS < least) least = epochS;
        }
    }

    /// @notice Vaults that count or can still be slashed.
    function vaults() external view returns (address[] memory) {
        return listed;
    }

    /// @notice Wei that a prepared vault's curator gave the network, whichever operators have it.
    function committedOf(address vault) public view returns (uint256) {
        Vault storage v = known[vault];
        uint256 amount = ISymbioticVault(vault).activeStake();
        // a vault of one operator and one network has no limit but the network's own
        uint256 limit = v.shared ? v.delegator.networkLimit(subnetwork) : v.delegator.maxNetworkLimit(subnetwork);
        return values.valueOf(v.collateral, amount < limit ? amount : limit);
    }

    /// @notice Vaults that counted at a capture, also those that have left the list since.
    function vaultsAt(uint48 capture) external view returns (address[] memory all) {
        all = new address[](maxListed + MOST_LEFT);
        uint256 count;
        for (uint256 i; i < listed.length; ++i) {
            if (_answersFor(known[listed[i]], capture)) all[count++] = listed[i];
        }
        for (uint256 i; i < left.length; ++i) {
            Left memory one = left[i];
            if (capture > one.countedAt && capture <= one.retiredAt) all[count++] = one.vault;
        }
        assembly ("memory-safe") {
            mstore(all, count)
        }
    }

    // --------------------------------------------------------------------------------------------------------- reads

    /// @notice What of an operator's stake in a vault counts, in wei.
    /// @dev Symbiotic's history has one value a second, the last: what leaves in the second of a capture, after it, was not there. So what
    ///      counts is no more than there was a second before, and a capture is slashed by that second. A curator moves stake from
    ///      one operator to another at once, so for a freeze all are asked for the same moment.
    /// @param gone collateral of it that is put aside
    /// @param moment that a freeze captures
    function stakeIn(address vault, address operator, uint256 gone, uint48 moment) external view returns (uint256) {
        Vault storage v = known[vault];
        if (v.countedAt == 0 || v.retiredAt != 0 || ISymbioticVault(vault).version() != v.version) return 0;
        uint256 amount = v.delegator.stake(subnetwork, operator);
        if (amount <= gone || moment <= v.countedAt) return 0;
        uint256 before = v.delegator.stakeAt(subnetwork, operator, moment - 1, "");
        if (before < amount) amount = before;
        if (amount <= gone) return 0;
        if (gasleft() < VALUE_GAS) revert GasTooLow();
        uint256 value = valueIn(vault, amount - gone);
        return v.shared ? value * sharedBps / BPS : value;
    }

    /// @notice The same as it was at a capture, of a vault of `vaultsAt`, whatever is there now: by today's rate.
    function stakeThen(address vault, address operator, uint48 capture) external view returns (uint256) {
        Vault storage v = known[vault];
        uint256 value = valueIn(vault, v.delegator.stakeAt(subnetwork, operator, capture - 1, ""));
        return v.shared ? value * sharedBps / BPS : value;
    }

    /// @notice What of an operator's stake in a vault at a capture can still be put aside.
    /// @dev Symbiotic slashes an operator's captures in their order only: if a newer one was slashed, its time is used, for no more
    ///      than there was at the older one. Another network may have slashed first: no more than the vault has for the capture.
    /// @param gone collateral of it that is put aside
    /// @return at the capture to slash by
    /// @return amount of collateral
    /// @return value the same in wei
    function slashableIn(address vault, address operator, uint48 capture, uint256 gone)
        external
        view
        returns (uint48 at, uint256 amount, uint256 value)
    {
        Vault storage v = known[vault];
        if (!_answersFor(v, capture) || capture >= block.timestamp) return (at, 0, 0);
        capture -= 1;
        if (block.timestamp - capture > v.epochS) return (at, 0, 0);
        at = capture;
        uint48 latest = v.slasher.latestSlashedCaptureTimestamp(subnetwork, operator);
        if (latest > at) at = latest;
        // a request that could not wait out its veto is refused
        if (block.timestamp - at + v.vetoS > v.epochS) return (at, 0, 0);
        amount = v.slasher.slashableStake(subnetwork, operator, at, "");
        if (at != capture) {
            uint256 then = v.delegator.stakeAt(subnetwork, operator, capture, "");
            uint256 since = v.slasher.cumulativeSlash(subnetwork, operator)
                - v.slasher.cumulativeSlashAt(subnetwork, operator, capture, "");
            then = then > since ? then - since : 0;
            if (then < amount) amount = then;
        }
        uint256 rest = _leftFor(ISymbioticVault(vault), at);
        if (rest < amount) amount = rest;
        amount = amount > gone ? amount - gone : 0;
        value = valueIn(vault, amount);
    }

    /// @notice Wei of an amount of a vault's collateral. If its rate cannot be read it is that of the rate that was recorded last, or
    ///         none: how much there is is known all the same, and it is not the vault's fault.
    function valueIn(address vault, uint256 amount) public view returns (uint256) {
        address collateral = known[vault].collateral;
        try values.valueOf(collateral, amount) returns (uint256 value) {
            return value;
        } catch {
            return values.recordedValueOf(collateral, amount);
        }
    }

    /// @dev Whether the vault counted at a capture.
    function _answersFor(Vault storage v, uint48 capture) private view returns (bool) {
        return v.countedAt != 0 && capture > v.countedAt && (v.retiredAt == 0 || capture <= v.retiredAt);
    }

    function _retire(address vault) private {
        Vault storage v = known[vault];
        if (v.countedAt == 0 || v.retiredAt != 0) revert WrongState(vault);
        v.retiredAt = uint48(block.timestamp);
        emit VaultRetired(vault);
    }

    /// @dev What may change after `prepare`: the tokens that are listed, and the vault's code, by its owner.
    function _fits(address vault) private view returns (bool) {
        Vault storage v = known[vault];
        if (!values.isCollateral(v.collateral)) return false;
        try ISymbioticVault(vault).version{gas: VERSION_GAS}() returns (uint64 version) {
            return version == v.version;
        } catch {
            return false;
        }
    }

    /// @dev Collateral that the vault's own rules let a slash of this capture take, of everybody.
    function _leftFor(ISymbioticVault vault, uint48 capture) private view returns (uint256) {
        uint256 epoch = vault.currentEpoch();
        if (vault.epochAt(capture) != epoch) return vault.totalStake();
        return vault.activeStake() + vault.withdrawals(epoch + 1);
    }
}
