// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

// Stand-ins for what `Penalties` meets, to try it alone: a set that freezes what it is told, a key book without consents, a source
// of own ether, and a hostile one. Each keeps the rules of its interface that a proof meets, and nothing else.

import {IKeyBook} from "contracts/interfaces/IKeyBook.sol";
import {IPenalties} from "contracts/interfaces/IPenalties.sol";
import {IStakedSet} from "contracts/interfaces/IStakedSet.sol";
import {IStakeSource} from "contracts/interfaces/IStakeSource.sol";

interface IRemovals {
    function removeSigners(uint48 epoch, uint8[] calldata indexes) external;
}

contract SetStandIn is IStakedSet {
    address public store;
    uint256 public immutable answerS;
    uint256 public constant keepsS = 2 days;
    address public penalties;
    mapping(uint256 => Frozen) private frozen;
    mapping(uint256 => address[]) private keys;
    mapping(uint256 => mapping(address => address)) private operators;
    mapping(uint256 => mapping(address => uint96)) private weights;
    mapping(address => uint48) public boundUntil;
    mapping(address => uint48) public jailedUntil;
    mapping(address => bool) public removed;
    uint256 private newest;
    bool public stuck;

    error NotAllowed(address caller);

    constructor(uint256 answerS_) {
        answerS = answerS_;
    }

    function connect(address penalties_, address store_) external {
        (penalties, store) = (penalties_, store_);
    }

    /// Removals fail from now on, as where less than T would be left.
    function stick(bool stuck_) external {
        stuck = stuck_;
    }

    /// The maker's hand on a real store that this owns.
    function act(bytes calldata call_) external {
        (bool done,) = store.call(call_);
        require(done);
    }

    function freeze(
        uint256 epoch,
        Frozen calldata frozen_,
        address[] calldata keys_,
        address[] calldata operators_,
        uint96[] calldata weights_
    ) external {
        (frozen[epoch], newest) = (frozen_, epoch);
        for (uint256 i; i < keys_.length; ++i) {
            keys[epoch].push(keys_[i]);
            (operators[epoch][keys_[i]], weights[epoch][keys_[i]]) = (operators_[i], weights_[i]);
            if (boundUntil[operators_[i]] < frozen_.provableUntil) boundUntil[operators_[i]] = frozen_.provableUntil;
        }
    }

    function frozenOf(uint256 epoch) external view virtual returns (Frozen memory) {
        return frozen[epoch];
    }

    function captureOf(uint256 epoch, address) external view virtual returns (uint48) {
        return frozen[epoch].capture;
    }

    function memberOf(uint256 epoch, address key) public view virtual returns (address, uint96) {
        return (operators[epoch][key], weights[epoch][key]);
    }

    function membersOf(uint256 epoch) external view returns (address[] memory, address[] memory, uint96[] memory) {}

    function isCandidate(address operator) external view returns (bool) {
        return jailedUntil[operator] < block.timestamp;
    }

    function joinFor(address) external {}
    function leaveFor(address) external {}
    function jailAbsent(address, uint48) external {}

    function jail(address operator, uint48 until) external {
        if (msg.sender != penalties) revert NotAllowed(msg.sender);
        jailedUntil[operator] = until;
    }

    function remove(address operator) external {
        if (stuck) revert NotAllowed(msg.sender);
        removed[operator] = true;
        if (store.code.length == 0) return;
        for (uint256 i; i < keys[newest].length; ++i) {
            if (operators[newest][keys[newest][i]] != operator) continue;
            uint8[] memory indexes = new uint8[](1);
            indexes[0] = uint8(i);
            IRemovals(store).removeSigners(uint48(newest), indexes);
        }
    }
}

/// Every key has weight in every epoch: for histories whose sets nobody freezes.
contract WideSetStandIn is SetStandIn {
    IKeyBook private immutable book;

    constructor(IKeyBook book_, address store_) SetStandIn(100) {
        (book, store) = (book_, store_);
    }

    function frozenOf(uint256) external pure override returns (Frozen memory) {
        return Frozen(0, type(uint48).max, 4, 5);
    }

    function captureOf(uint256, address) external pure override returns (uint48) {
        return 0;
    }

    function memberOf(uint256, address key) public view override returns (address, uint96) {
        return (book.operatorOf(key), 1);
    }
}

contract BookStandIn is IKeyBook {
    mapping(address => address) public operatorOf;
    mapping(address => address) public keyOf;
    mapping(address => uint64) public nonceOf;

    function set(address operator, address key) external {
        (operatorOf[key], keyOf[operator]) = (operator, key);
    }

    function consentDigest(address, uint64, uint64) external view returns (bytes32) {}
    function setKey(Consent calldata) external {}
    function setKeyFor(address, Consent calldata) external {}

    function retire(address key) external {
        if (keyOf[operatorOf[key]] == key) keyOf[operatorOf[key]] = address(0);
    }
}

/// Own ether of operators, which leaves once the set says that it is no longer bound.
contract SourceStandIn is IStakeSource {
    struct Aside {
        address operator;
        uint256 value;
    }

    address public penalties;
    IStakedSet public set;
    uint256 public immutable reachS;
    mapping(address => uint256) public stakes;
    mapping(bytes32 => Aside) public aside;
    uint256 public taken;

    error NotAllowed(address caller);
    error Nothing();

    constructor(uint256 reachS_) {
        reachS = reachS_;
    }

    function connect(address penalties_, IStakedSet set_) external {
        (penalties, set) = (penalties_, set_);
    }

    function bond(address operator) external payable {
        stakes[operator] += msg.value;
    }

    function leave() external {
        if (block.timestamp <= set.boundUntil(msg.sender)) revert NotAllowed(msg.sender);
        uint256 value = stakes[msg.sender];
        stakes[msg.sender] = 0;
        payable(msg.sender).transfer(value);
    }

    function stakeOf(address operator) external view returns (uint256) {
        return stakes[operator];
    }

    function stakeSince(address operator, uint48) external view returns (uint256) {
        return stakes[operator];
    }

    function slashableOf(address operator, uint48) external view returns (uint256) {
        return stakes[operator];
    }

    function seize(address operator, uint256 fraction, uint48, bytes32 caseId) external returns (uint256 value) {
        _begin();
        value = stakes[operator] * fraction / 1e18;
        if (value == 0 || aside[caseId].value != 0) revert Nothing();
        stakes[operator] -= value;
        aside[caseId] = Aside(operator, value);
        _end();
    }

    function restore(bytes32 caseId) external {
        _begin();
        Aside memory put = aside[caseId];
        if (put.value == 0) revert Nothing();
        delete aside[caseId];
        stakes[put.operator] += put.value;
        _end();
    }

    function take(bytes32 caseId, address finder, uint256 finderBps) external returns (uint256 value) {
        _begin();
        value = aside[caseId].value;
        if (value == 0) revert Nothing();
        delete aside[caseId];
        uint256 found = value * finderBps / 10_000;
        taken += value - found;
        payable(finder).transfer(found);
        _end();
    }

    function reward(uint48, address, address, uint256) external payable {}

    function _begin() internal virtual {
        if (msg.sender != penalties) revert NotAllowed(msg.sender);
    }

    function _end() internal virtual {}
}

/// As the one above, until it is told to misbehave.
contract HostileSource is SourceStandIn {
    enum Mode {
        Honest,
        Reverts,
        BurnsItsGas,
        AnswersNothing,
        AnswersTooMuch,
        RevertsWithTooMuch,
        AnswersTheMost,
        CallsBack,
        NeedsAllItsGas
    }

    uint256 private constant NEEDED = 1_990_000;
    Mode public mode;
    bytes private call_;
    bool public wasLetIn;

    constructor(uint256 reachS_) SourceStandIn(reachS_) {}

    function misbehave(Mode mode_, bytes calldata data) external {
        (mode, call_) = (mode_, data);
    }

    function _begin() internal override {
        if (mode == Mode.NeedsAllItsGas && gasleft() < NEEDED) revert Nothing();
        super._begin();
        if (mode == Mode.Reverts) revert Nothing();
        if (mode == Mode.CallsBack) {
            (wasLetIn,) = penalties.call(call_);
            if (!wasLetIn) revert Nothing();
        }
        if (mode == Mode.BurnsItsGas) {
            assembly {
                invalid()
            }
        }
        if (mode == Mode.RevertsWithTooMuch) {
            assembly {
                revert(0, 400000)
            }
        }
    }

    function _end() internal override {
        if (mode == Mode.AnswersNothing) {
            assembly {
                return(0, 0)
            }
        }
        if (mode == Mode.AnswersTooMuch) {
            assembly {
                return(0, 400000)
            }
        }
        if (mode == Mode.AnswersTheMost) {
            assembly {
                mstore(0, not(0))
                return(0, 32)
            }
        }
    }
}
