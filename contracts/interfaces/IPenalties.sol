// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {Signed} from "../operators/Equivocation.sol";

/// @title Proof that an operator said two things of one round, and what follows
/// @notice One case an operator and epoch: more evidence for it is recorded and costs no more. A case that was given back is closed
///         for rounds up to then.
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
    struct Case {
        address operator;
        uint48 epoch;
        uint48 disputeUntil;
        uint96 weight;
        uint64 fraction;
        uint16 steps;
        Outcome outcome;
        address finder;
    }

    /// @notice Two words of one operator contradict each other. Emitted for each evidence, also where nothing is left to take.
    event Proven(
        bytes32 indexed evidence, address indexed operator, bytes32 indexed caseId, uint48 epoch, uint16 index, address finder
    );
    /// @notice Stake was put aside: for a new case, or a top-up.
    event Seized(bytes32 indexed caseId, uint16 step, uint256 fraction, uint256 value, uint48 disputeUntil);
    /// @notice This source reverted and may be tried again: `retry`.
    event SourceFailed(bytes32 indexed caseId, uint16 step, address indexed source);
    /// @notice The dispute is over.
    event Settled(bytes32 indexed caseId, Outcome outcome, uint256 value);

    /// @notice Prove that one operator signed two different items of a token for one round; anybody may, and is the finder.
    /// @param a a word, by any key of the operator
    /// @param b the other, by the same or another key of it
    /// @param index the token on which they differ
    function prove(Signed calldata a, Signed calldata b, uint16 index) external returns (bytes32 evidence, bytes32 caseId);
    /// @notice Whether this evidence is recorded.
    function isProven(bytes32 evidence) external view returns (bool);
    function caseOf(bytes32 caseId) external view returns (Case memory);
    /// @notice The fraction that the case should have by all that is proven now.
    function fractionDue(bytes32 caseId) external view returns (uint256);
    /// @notice Put aside what is due beyond what was; anybody may, while the epoch's words can be proven.
    function topUp(bytes32 caseId) external;
    /// @notice Only the arbiter, before the dispute ends.
    function giveBack(bytes32 caseId) external;
    /// @notice After the dispute, anybody: what was put aside is taken.
    function carryOut(bytes32 caseId) external;
    /// @notice Try a source again that reverted in a step.
    function retry(bytes32 caseId, uint16 step, uint256 source) external;
}
