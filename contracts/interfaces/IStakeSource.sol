// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// @title A place where stake lies that this service can slash: a restaking protocol, or the module's own delegations
/// @notice One operator address means the same operator in all sources. Values are wei of ETH, by the tokens' own contracts.
/// @dev A source calls into code that is not ours, so the set and the penalties call it with bounded gas and go on if it reverts.
interface IStakeSource {
    /// @notice Stake of an operator that can be slashed now and stays so until what is signed now can no longer be proven; what is
    ///         on its way out does not count. Stake that others can slash too counts less; the source says how much less.
    function stakeOf(address operator) external view returns (uint256 value);

    /// @notice The same for a freeze of a moment that is past by an hour at most: no more than operators had then of what can become
    ///         another operator's within that hour. So operators that are asked one after the other never have more than there is.
    function stakeSince(address operator, uint48 moment) external view returns (uint256 value);

    /// @notice What of the stake at `capture` can still be slashed.
    function slashableOf(address operator, uint48 capture) external view returns (uint256 value);

    /// @notice For how many seconds after a capture its stake can be slashed, the penalty's last step included; the least of
    ///         all that the source counts. `type(uint256).max`: for ever.
    function reachS() external view returns (uint256);

    /// @notice Only the penalties contract: put a part of an operator's slashable stake out of everybody's reach until the dispute
    ///         is over. Reverts if nothing can be put aside, or the case has something here already.
    /// @param fraction of what is slashable now, 1e18 for all of it
    /// @param caseId names the penalty; one step of a case has one id
    /// @return value wei that are put aside, or that will be slashed if it is carried out
    function seize(address operator, uint256 fraction, uint48 capture, bytes32 caseId) external returns (uint256 value);

    /// @notice Only the penalties contract: the dispute was decided for the operator. What was put aside goes back.
    function restore(bytes32 caseId) external;

    /// @notice Only the penalties contract: the dispute is over. What was put aside is taken for good.
    /// @param finder receives `finderBps` of it where the source can pay it, zero for nobody
    function take(bytes32 caseId, address finder, uint256 finderBps) external returns (uint256 value);

    /// @notice Only the rewards contract: pay `amount` of `asset` (zero: ether, sent along; else transferred here before) to an
    ///         operator and to those who delegated to it, by the source's own rules.
    /// @param epoch that it was earned in: where stake has a history it is paid by that epoch's freeze, whenever this is called
    function reward(uint48 epoch, address operator, address asset, uint256 amount) external payable;
}
