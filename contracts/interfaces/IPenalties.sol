// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Signed} from "../stake/Equivocation.sol";

/// @title Proof that an operator said two things of one round, and what follows
/// @notice One case an operator and epoch: more evidence for it is recorded and costs no more. A case that was given back is closed
///         for rounds up to then; a lie about a later round opens another one.
/// @dev Calls of this contract that reach the sources need gas for the worst of them, beside what is used: see `Penalties`.
interface IPenalties {
    enum Outcome {
        None,
        Disputed,
        Taken,
        Returned
    }

    /// @param fraction of the stake that was put aside so far, 1e18 for all
    /// @param weight frozen weight of the operator in the case's epoch
    /// @param steps how often stake was put aside: the proof, and each top-up
    /// @param settled how many of these are over; while they are fewer than `steps`, `carryOut` goes on
    struct Case {
        address operator;
        uint48 epoch;
        uint48 disputeUntil;
        uint96 weight;
        uint64 fraction;
        uint16 steps;
        uint16 settled;
        Outcome outcome;
        address finder;
    }

    /// @notice Two words of one operator contradict each other. Emitted for each evidence, also where nothing is left to take.
    event Proven(
        bytes32 indexed evidence, address indexed operator, bytes32 indexed caseId, uint48 epoch, uint16 index, address finder
    );
    /// @notice Stake was put aside: for a new case, or a top-up.
    /// @param fraction of the operator's stake that all steps of the case together should have put aside
    /// @param value wei that the sources answered for this step
    event Seized(bytes32 indexed caseId, uint16 step, uint256 fraction, uint256 value, uint48 disputeUntil);
    /// @notice This source reverted, also because it has nothing of the operator, and may be tried again: `retry`.
    event SourceFailed(bytes32 indexed caseId, uint16 step, address indexed source);
    /// @notice The operator is jailed and could not be cut from its sets in the same transaction: anybody may do it at the set.
    event NotRemoved(address indexed operator);
    /// @notice The dispute is over, for the steps from the last one settled on.
    /// @param value wei that was taken; 0 where it was given back
    event Settled(bytes32 indexed caseId, Outcome outcome, uint256 value);

    /// @notice Prove that one operator signed two different items of a token for one round; anybody may, and is the finder.
    /// @param a a word, by any key of the operator
    /// @param b the other, by the same or another key of it
    /// @param index the token on which they differ
    function prove(Signed calldata a, Signed calldata b, uint16 index) external returns (bytes32 evidence, bytes32 caseId);
    /// @notice The same for words that the sets sign in another domain, e.g. for a store on another chain; `prove` takes those of
    ///         the set's own store, which is domain 0. Both words are of one domain.
    function proveIn(uint256 domain, Signed calldata a, Signed calldata b, uint16 index)
        external
        returns (bytes32 evidence, bytes32 caseId);
    /// @notice Whether this evidence is recorded.
    function isProven(bytes32 evidence) external view returns (bool);
    /// @notice A case; zeros if there is none.
    function caseOf(bytes32 caseId) external view returns (Case memory);
    /// @notice The newest case of an operator in an epoch; zero if there is none.
    function caseIn(address operator, uint256 epoch) external view returns (bytes32 caseId);
    /// @notice The fraction that the case should have by all that is proven now.
    function fractionDue(bytes32 caseId) external view returns (uint256);
    /// @notice Put aside what is due beyond what was; anybody may, while the epoch's words can be proven. The dispute of all that
    ///         is not settled ends a whole dispute's time later.
    function topUp(bytes32 caseId) external;
    /// @notice Only the arbiter, before the dispute ends.
    function giveBack(bytes32 caseId) external;
    /// @notice After the dispute, anybody: what was put aside is taken. As many steps as the gas allows, at least one; call it
    ///         again for the rest.
    function carryOut(bytes32 caseId) external;
    /// @notice Try a source again that reverted in a step, without a bound on its gas. What it could not put aside is put aside,
    ///         within the dispute or while the epoch's words can be proven, so that nobody who came later pays for it; what it
    ///         could not take or give back is taken or given back, as that step was decided.
    function retry(bytes32 caseId, uint16 step, uint256 source) external;
}
