// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title Who signs for a store, by stake: candidates, frozen sets, removals
/// @notice Owns the store. Anybody may rotate; nobody may name signers.
interface IStakedSet {
    /// @notice A set as it was frozen.
    /// @param capture the moment of which all its members' stake is: the freeze's own, or up to an hour before
    /// @param provableUntil last second at which a word of the epoch can be proven, `answerS` after the capture: end by expiry, overlap,
    ///        push age, evidence time
    /// @param threshold T
    /// @param total W
    struct Frozen {
        uint48 capture;
        uint48 provableUntil;
        uint96 threshold;
        uint96 total;
    }

    /// @notice The store whose signers these are.
    function store() external view returns (address);
    /// @notice The frozen set of an epoch; zeros if none was frozen for it. A set that was never armed is replaced under its number.
    function frozenOf(uint256 epoch) external view returns (Frozen memory);
    /// @notice Weight and operator of a report key in the frozen set of an epoch; zeros if it is not in it.
    function memberOf(uint256 epoch, address key) external view returns (address operator, uint96 weight);
    /// @notice The moment of the frozen set of an epoch, the same for all its members, if the operator is in it, else 0: stake of then, in
    ///         all sources, answers for what it signs in the epoch.
    function captureOf(uint256 epoch, address operator) external view returns (uint48);
    /// @notice Members of the frozen set of an epoch, ascending by key, as in the store.
    function membersOf(uint256 epoch)
        external
        view
        returns (address[] memory keys, address[] memory operators, uint96[] memory weights);
    /// @notice The last second at which a word by any key of the operator can be proven, of all sets that it was frozen in, or may yet be
    ///         by what was observed of it; 0 if there is none. What stops counting now and leaves after it has answered for everything.
    function boundUntil(address operator) external view returns (uint48);
    /// @notice Seconds from the moment at which stake was seen to the last second at which a word of the epoch that it was frozen for
    ///         can be proven, at most.
    function answerS() external view returns (uint256);
    /// @notice For how many seconds after a source said it a weight may still be frozen, since the source fails at the next freeze.
    function keepsS() external view returns (uint256);
    /// @notice Whether the operator may be a member: opted in, not jailed.
    function isCandidate(address operator) external view returns (bool);

    /// @notice Only a source that opts operators in by itself: as `join` and `leave` of the operator.
    function joinFor(address operator) external;
    function leaveFor(address operator) external;
    /// @notice Anybody: cut an operator that is jailed, or whose stake has gone and was seen to be gone before, from every set that it
    ///         has weight in.
    function remove(address operator) external;
    /// @notice Only the rewards contract, by a report that weight T signed: as `jail`, for absence.
    function jailAbsent(address operator, uint48 until) external;
    /// @notice Only the penalties contract: no freeze takes the operator until then, and anybody may remove it from the sets that
    ///         it is in. Of several calls the last counts, also where it ends sooner: the penalties know of all cases.
    function jail(address operator, uint48 until) external;
}
