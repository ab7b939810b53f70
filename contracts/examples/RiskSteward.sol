// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IAaveAddresses, IAaveConfigurator, IAavePool} from "../interfaces/IAaveV3.sol";
import {IPriceStore} from "../interfaces/IPriceStore.sol";
import {IRiskSteward} from "./IRiskSteward.sol";

/// @title RiskSteward: an example that follows the signed status of a feed and protects a reserve of Aave v3
/// @notice A rule names states and reasons of a feed's record, a delay, and what to do while they stand: loan-to-value 0, so
///         that nothing more is borrowed against the asset, freeze, so that no more of it is supplied, or both. Thresholds
///         stay, so it liquidates nobody. Anybody pokes: the first poke that meets a rule arms it, one after the delay acts.
/// @dev It needs Aave's role RISK_ADMIN and no other. It reads the store itself, as a price view hides state and reason.
contract RiskSteward is IRiskSteward {
    uint256 private constant MOST_RULES = 8;
    uint256 private constant MOST_DELAY_S = 30 days;
    uint256 private constant MOST_PUT_OFF_S = 7 days;
    uint256 private constant SILENT = 1;
    uint256 private constant CALM = 0xffff << 16; // ok, whatever its reason
    uint256 private constant BAD = 0xffffffffffff << 32; // watch, depeg and halt, whatever their reasons
    uint256 private constant FROZEN = 1 << 57; // in Aave's word of a reserve
    uint48 private constant LTV = 0xffff;

    /// @notice Sets markets, rules and guardian: the lender's governance.
    address public immutable owner;
    /// @notice Whose signed records are followed.
    IPriceStore public immutable store;
    /// @notice Aave's pool.
    IAavePool public immutable pool;
    /// @notice Aave's configurator.
    IAaveConfigurator public immutable configurator;
    /// @notice For how long the guardian puts a rule off, and after which pause it may do so again.
    uint32 public immutable putOffS;
    /// @notice May put off what is armed and restore once the feed is ok; zero for none.
    address public guardian;
    /// @notice By asset; a maxAgeS of 0: the steward does not know it.
    mapping(address asset => Market) public markets;
    mapping(address asset => Rule[]) private rules;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyGuardian() {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    /// @param owner_ the lender's governance, fixed
    /// @param guardian_ may put off and restore; zero for none
    /// @param store_ the PriceStore
    /// @param addresses Aave's addresses provider
    /// @param putOffS_ 1 s to 7 days
    constructor(address owner_, address guardian_, IPriceStore store_, IAaveAddresses addresses, uint32 putOffS_) {
        if (owner_ == address(0) || putOffS_ == 0 || putOffS_ > MOST_PUT_OFF_S) revert BadSettings();
        (owner, guardian, store, putOffS) = (owner_, guardian_, store_, putOffS_);
        pool = IAavePool(addresses.getPool());
        configurator = IAaveConfigurator(addresses.getPoolConfigurator());
        emit GuardianSet(guardian_);
    }

    /// @notice Replace the guardian; zero for none.
    function setGuardian(address guardian_) external onlyOwner {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @notice Give an asset a feed and rules in place of those that it had; none: the steward only restores. What it has changed
    ///         stays, and stays known.
    /// @param asset listed in Aave
    /// @param feed registered in the store
    /// @param maxAgeS see Market
    /// @param calmS see Market
    /// @param terms at most 8
    function setMarket(address asset, bytes32 feed, uint32 maxAgeS, uint32 calmS, Terms[] calldata terms) external onlyOwner {
        if (maxAgeS == 0 || terms.length > MOST_RULES || pool.getConfiguration(asset) == 0) revert BadMarket(asset);
        Market storage market = markets[asset];
        (market.index, market.maxAgeS, market.calmS, market.calmSince) = (store.indexOf(feed), maxAgeS, calmS, 0);
        delete rules[asset];
        for (uint256 i; i < terms.length; ++i) {
            Terms calldata t = terms[i];
            bool signed = t.when != 0 && t.when & ~BAD == 0;
            bool timed = t.delayS <= MOST_DELAY_S && (signed || (t.when == SILENT && t.delayS != 0));
            if (!timed || !(t.zeroLtv || t.freeze)) revert BadRule(i);
            rules[asset].push(Rule(t.when, t.delayS, t.zeroLtv, t.freeze, 0, 0, 0, false));
        }
        emit MarketSet(asset, feed, maxAgeS, calmS, terms);
    }

    /// @notice Leave what the steward changed as it stands: it is the owner's from now on.
    function forget(address asset) external onlyOwner {
        _forget(markets[asset]);
        emit Forgotten(asset);
    }

    /// @notice Hold the rules of an asset against its newest record: arm, disarm, act. Anybody may, as often as they like.
    /// @return changed whether it did anything: a keeper asks by a call first
    function poke(address asset) external returns (bool changed) {
        Market storage market = markets[asset];
        (uint256 seen, uint32 round) = _seen(market, asset);
        bool zeroLtv;
        bool freeze;
        (changed, zeroLtv, freeze) = _follow(market, asset, seen, round);
        if (zeroLtv || freeze) _act(market, asset, zeroLtv, freeze);
    }

    /// @notice Put off a rule that is armed by `putOffS`. Its clock runs on. It may be put off anew only as long again after that:
    ///         whatever the guardian does, a rule can act for half of the time.
    function putOff(address asset, uint256 rule) external onlyGuardian {
        if (rule >= rules[asset].length) revert NotArmed(rule);
        Rule storage r = rules[asset][rule];
        if (r.since == 0 || r.done) revert NotArmed(rule);
        uint256 again = r.putOffUntil == 0 ? 0 : uint256(r.putOffUntil) + putOffS;
        if (block.timestamp < again) revert PutOffBefore(again);
        r.putOffUntil = uint40(block.timestamp + putOffS);
        emit PutOff(asset, rule, r.putOffUntil);
    }

    /// @notice Restore what the steward changed, exactly: the guardian once the feed is ok, anybody after calmS of it. Refused for
    ///         all of it if anybody else has changed any of it meanwhile.
    function restore(address asset) external {
        Market storage market = markets[asset];
        (uint256 seen, uint32 round) = _seen(market, asset);
        _follow(market, asset, seen, round); // no rule acts on ok, and on all else this reverts
        (uint48 before, bool froze) = (market.termsBefore, market.froze);
        if (before == 0 && !froze) revert NothingToRestore(asset);
        bool twice = market.calmS != 0 && round != market.calmRound; // two records say it, not one
        bool anybody = twice && block.timestamp >= uint256(market.calmSince) + market.calmS;
        if (seen & CALM == 0 || !(anybody || msg.sender == guardian)) revert NotCalm(asset);
        if (!_stands(market, pool.getConfiguration(asset))) revert ChangedSince(asset);
        _forget(market);
        emit Restored(asset, before & LTV, froze);
        if (froze) configurator.setReserveFreeze(asset, false);
        if (before != 0) _setLtv(asset, before & LTV, before);
    }

    /// @notice The rules of an asset, with where they stand.
    function rulesOf(address asset) external view returns (Rule[] memory) {
        return rules[asset];
    }

    /// @dev Move every rule and the calm on; what there is to do is left to the caller.
    function _follow(Market storage market, address asset, uint256 seen, uint32 round)
        private
        returns (bool changed, bool zeroLtv, bool freeze)
    {
        Rule[] storage rules_ = rules[asset];
        for (uint256 i; i < rules_.length; ++i) {
            Rule storage rule = rules_[i];
            (bool moved, bool acts) = _move(rule, asset, i, seen, round);
            changed = changed || moved;
            zeroLtv = zeroLtv || (acts && rule.zeroLtv);
            freeze = freeze || (acts && rule.freeze);
        }
        bool calm = seen & CALM != 0 && (market.termsBefore != 0 || market.froze);
        if (calm != (market.calmSince != 0)) {
            changed = true;
            (market.calmSince, market.calmRound) = calm ? (uint40(block.timestamp), round) : (0, 0);
            emit Calm(asset, market.calmSince);
        }
    }

    /// @dev Once a delay is over a second record must meet the rule too. In a silence nothing is met but silence, and nothing
    ///      else is disarmed: what nobody sees neither goes on nor ends.
    function _move(Rule storage rule, address asset, uint256 i, uint256 seen, uint32 round)
        private
        returns (bool moved, bool acts)
    {
        if (rule.done) {
            if (seen & CALM == 0) return (false, false);
            (rule.done, rule.since) = (false, 0);
            emit Ended(asset, i);
            return (true, false);
        }
        if (rule.when & seen == 0) {
            if (rule.since == 0 || seen == SILENT) return (false, false);
            rule.since = 0;
            emit Disarmed(asset, i, seen, round);
            return (true, false);
        }
        bool another = round != rule.round;
        if (rule.since == 0 || (seen == SILENT && another)) {
            (rule.since, rule.round, moved, another) = (uint40(block.timestamp), round, true, false);
            emit Armed(asset, i, seen, round, block.timestamp + rule.delayS);
        }
        bool early = block.timestamp < uint256(rule.since) + rule.delayS || block.timestamp < rule.putOffUntil;
        if (early || !(another || seen == SILENT || rule.delayS == 0)) return (moved, false);
        rule.done = true;
        emit Acted(asset, i);
        return (true, true);
    }

    /// @dev Only what is not so already. Loan-to-value first: later versions of Aave keep one for themselves while they freeze.
    function _act(Market storage market, address asset, bool zeroLtv, bool freeze) private {
        uint256 data = pool.getConfiguration(asset);
        if (!_stands(market, data)) _forget(market);
        uint256 ltv = zeroLtv ? data & LTV : 0;
        bool freezes = freeze && data & FROZEN == 0;
        if (ltv != 0) market.termsBefore = uint48(data);
        if (freezes) market.froze = true;
        emit Changed(asset, ltv, freezes);
        if (ltv != 0) _setLtv(asset, 0, data);
        if (freezes) configurator.setReserveFreeze(asset, true);
    }

    function _setLtv(address asset, uint256 ltv, uint256 data) private {
        configurator.configureReserveAsCollateral(asset, ltv, uint16(data >> 16), uint16(data >> 32));
    }

    function _forget(Market storage market) private {
        (market.termsBefore, market.froze, market.calmSince, market.calmRound) = (0, false, 0, 0);
    }

    /// @dev Whether all that the steward changed is as the steward left it.
    function _stands(Market storage market, uint256 data) private view returns (bool) {
        uint48 before = market.termsBefore;
        return (before == 0 || uint48(data) == before & ~LTV) && (!market.froze || data & FROZEN != 0);
    }

    /// @dev The bit of the newest record's state and reason, or that it is too old; and its roundTime, which never decreases.
    function _seen(Market storage market, address asset) private view returns (uint256 seen, uint32 round) {
        uint256 maxAgeS = market.maxAgeS;
        if (maxAgeS == 0) revert UnknownMarket(asset);
        uint8 status;
        (,,, status, round,,,) = store.latestAt(market.index);
        if (uint256(round) + maxAgeS < block.timestamp) return (SILENT, round);
        seen = 1 << (((status & 0x07) << 4) | (status >> 4));
    }
}
