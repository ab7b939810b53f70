// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title What a risk steward keeps, tells and refuses
interface IRiskSteward {
    /// @notice What the owner says of a rule.
    /// @param when bit 16 * state + reason class for each condition: 2 watch, 3 depeg, 4 halt; or bit 0 alone: the record is too
    ///        old, which nobody signs, so that it needs a delay
    /// @param delayS seconds from the poke that arms until a poke acts; with 0 one poke does both
    /// @param zeroLtv whether it sets the loan-to-value to 0
    /// @param freeze whether it freezes the reserve
    struct Terms {
        uint80 when;
        uint32 delayS;
        bool zeroLtv;
        bool freeze;
    }

    /// @notice A rule: its terms, and where it stands.
    /// @param since when it was armed; 0: it is not
    /// @param round roundTime of the record that armed it
    /// @param putOffUntil before this it does not act
    /// @param done it has acted, and the feed was not seen ok since
    struct Rule {
        uint80 when;
        uint32 delayS;
        bool zeroLtv;
        bool freeze;
        uint40 since;
        uint32 round;
        uint40 putOffUntil;
        bool done;
    }

    /// @notice An asset: its feed, and what the steward changed of it.
    /// @param index of the feed in the store
    /// @param maxAgeS a record older than this says nothing any more
    /// @param calmS seconds of ok after which anybody may restore; 0: the guardian alone may
    /// @param calmSince since when pokes have seen nothing but ok after the steward acted; 0: they have not
    /// @param calmRound roundTime of the record that the first of them saw
    /// @param termsBefore loan-to-value, threshold and bonus as in Aave's word before the steward set the first to 0; 0: it did not
    /// @param froze whether the steward froze it
    struct Market {
        uint16 index;
        uint32 maxAgeS;
        uint32 calmS;
        uint40 calmSince;
        uint32 calmRound;
        uint48 termsBefore;
        bool froze;
    }

    /// @notice `guardian` is the guardian now.
    event GuardianSet(address indexed guardian);
    /// @notice The owner gave an asset these rules: none is armed, none is done.
    event MarketSet(address indexed asset, bytes32 indexed feed, uint32 maxAgeS, uint32 calmS, Terms[] terms);
    /// @notice A rule is met by the record of `round`; a poke from `dueAt` on acts if it still is. `seen`: the condition's bit.
    event Armed(address indexed asset, uint256 indexed rule, uint256 seen, uint32 round, uint256 dueAt);
    /// @notice A newer record does not meet the rule: it has not acted.
    event Disarmed(address indexed asset, uint256 indexed rule, uint256 seen, uint32 round);
    /// @notice The guardian put off what was armed: it does not act before `until`.
    event PutOff(address indexed asset, uint256 indexed rule, uint256 until);
    /// @notice A rule acts: `Changed` says what all that act in this poke change.
    event Acted(address indexed asset, uint256 indexed rule);
    /// @notice What a poke changed in Aave. `ltvBefore` 0: it was 0, or no rule asked for it. `froze` false: the same.
    event Changed(address indexed asset, uint256 ltvBefore, bool froze);
    /// @notice The feed is ok again, so that a rule that acted may act anew. What it did stays until it is restored.
    event Ended(address indexed asset, uint256 indexed rule);
    /// @notice From here on pokes see ok: anybody may restore after the market's calmS. `since` 0: a poke saw something else.
    event Calm(address indexed asset, uint256 since);
    /// @notice What the steward had changed stands as before. `ltv` 0: it was not changed. `unfroze` false: nor was that.
    event Restored(address indexed asset, uint256 ltv, bool unfroze);
    /// @notice What the steward changed is the owner's now and will not be restored.
    event Forgotten(address indexed asset);

    /// @notice The caller is not the owner.
    error NotOwner(address caller);
    /// @notice The caller is not the guardian.
    error NotGuardian(address caller);
    /// @notice No owner, or a put-off of 0 or more than 7 days.
    error BadSettings();
    /// @notice The asset is not listed in Aave, maxAgeS is 0, or there are more than 8 rules.
    error BadMarket(address asset);
    /// @notice No condition, one that is not bad, silence beside others or without a delay, a delay over 30 days, nothing to do.
    error BadRule(uint256 rule);
    /// @notice The owner has not set this asset.
    error UnknownMarket(address asset);
    /// @notice The rule is not armed, or has acted.
    error NotArmed(uint256 rule);
    /// @notice The guardian has put this rule off before, and may again at `at`.
    error PutOffBefore(uint256 at);
    /// @notice The steward has changed nothing that was not restored or forgotten.
    error NothingToRestore(address asset);
    /// @notice The newest record is too old or not ok; or the caller is not the guardian, and it was not ok for long enough.
    error NotCalm(address asset);
    /// @notice Somebody else has changed since what the steward changed: what stands is theirs.
    error ChangedSince(address asset);
}
