// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

import {IERC20} from "../interfaces/IERC20.sol";
import {IStakedSet} from "../interfaces/IStakedSet.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";
import {IStoreEpochs} from "../interfaces/IStoreEpochs.sol";
import {leafHash, reportDigest, rootFrom, weightOf} from "./RewardProofs.sol";

/// @title What the module pays its signers: funds of an epoch, its report by weight T, claims
/// @notice Anybody funds an epoch, anybody posts its report, anybody claims for anybody. Nobody owns this contract, and nothing in it
///         can be taken but by the sources' own rules.
/// @dev Epochs are the store's. A report is signed by weight T of the epoch's frozen set, once it has ended; it commits to what each
///      operator is owed in each source, and names the operators that were absent. Grounds are the signed words that it was computed
///      from: they are emitted, so that everybody can compute it again.
contract Rewards {
    uint256 private constant MOST_ASSETS = 4;
    uint256 private constant MOST_SOURCES = 4;
    uint256 private constant MOST_AHEAD = 100;
    uint256 private constant MOST_PROOF = 32;
    uint256 private constant MOST_JAIL_S = 7 days;
    address private constant ETHER = address(0);

    /// @notice For how long after its report what an epoch owes can be claimed; then the rest is for the present epoch.
    uint256 public constant CLAIM_S = 180 days;
    /// @notice For how long after its last word can be proven an epoch waits for a report; then its funds are for the present one.
    uint256 public constant REPORT_S = 30 days;

    /// @param funded all that came in; it does not change any more once the epoch has ended
    /// @param left what is not paid yet
    struct Pot {
        uint128 funded;
        uint128 left;
    }

    /// @param root of the tree of what is owed; zero while there is no report
    /// @param postedAt when
    /// @param rolled the rest went to another epoch: no report is taken any more
    struct Report {
        bytes32 root;
        uint48 postedAt;
        bool rolled;
    }

    /// @dev A frozen set. `spare`: W - T.
    struct Members {
        address[] keys;
        address[] operators;
        uint96[] weights;
        uint256 spare;
    }

    /// @notice Who signs, by stake.
    IStakedSet public immutable set;
    /// @notice The store whose epochs and signers these are.
    IStoreEpochs public immutable store;
    /// @notice How long an absent operator is jailed.
    uint256 public immutable absenceJailS;

    /// @notice Whether epochs can be funded in this; the zero address is ether.
    mapping(address asset => bool) public isAsset;
    /// @notice By epoch and asset.
    mapping(uint48 epoch => mapping(address asset => Pot)) public potOf;
    /// @notice By epoch.
    mapping(uint48 epoch => Report) public reportOf;
    /// @notice Until when an operator is jailed by a report.
    mapping(address operator => uint48) public absentUntil;
    /// @notice Whether a leaf was paid.
    mapping(bytes32 leaf => bool) public isPaid;
    IStakeSource[] private sources;
    address[] private assets;
    bool private transient entered;

    /// @notice An epoch was funded.
    event Funded(uint48 indexed epoch, address indexed asset, address indexed payer, uint256 amount);
    /// @notice A consumer of a feed paid for it; the same sum is in `Funded` too.
    event PaidFor(bytes32 indexed feed, uint48 indexed epoch, address indexed payer, address asset, uint256 amount);
    /// @notice What is owed for an epoch, and who was absent, by the word of this weight.
    event Posted(uint48 indexed epoch, bytes32 root, address[] absent, bytes grounds, uint256 weight);
    /// @notice An operator that a report names as absent is not jailed: with those who are, it would weigh more than W - T.
    event NotJailed(uint48 indexed epoch, address indexed operator);
    /// @notice A source was given this for an operator and those who delegate to it.
    event Claimed(uint48 indexed epoch, address indexed operator, uint256 indexed source, address asset, uint256 amount);
    /// @notice What was left of an epoch is for another one now.
    event RolledOver(uint48 indexed epoch, uint48 indexed to, address indexed asset, uint256 amount);

    /// @notice A zero address, something twice, none or too many, or a jail of no or more than seven days.
    error BadSettings();
    /// @notice It is not listed.
    error UnknownAsset(address asset);
    /// @notice No such source.
    error UnknownSource(uint256 source);
    /// @notice Nothing was sent, or ether with a token, or another sum of ether than was said.
    error BadAmount(uint256 amount);
    /// @notice The epoch has ended, or lies too far ahead.
    error NotFundable(uint48 epoch, uint48 present);
    /// @notice The epoch has not ended yet, or nothing of it may be rolled over yet.
    error TooEarly(uint48 epoch);
    /// @notice The epoch has its report, or its funds were rolled over.
    error Closed(uint48 epoch);
    /// @notice No set was frozen for the epoch, or the report has no root.
    error NothingToPost(uint48 epoch);
    /// @notice Signers of this weight are too few.
    error BelowThreshold(uint256 weight, uint256 threshold);
    /// @notice This one is no member of the epoch's set, or not in ascending order.
    error BadAbsent(address operator);
    /// @notice More weight would be jailed than W - T.
    error TooManyAbsent(uint256 weight, uint256 most);
    /// @notice The proof does not lead to the epoch's root.
    error BadProof();
    /// @notice This was paid.
    error AlreadyPaid(bytes32 leaf);
    /// @notice The report promises more than was funded: so much is left.
    error PotEmpty(uint48 epoch, address asset, uint256 left);
    /// @notice The token did not move, or another sum did.
    error TokenFailed(address asset);
    /// @notice A call from inside of another one.
    error Reentrant();

    modifier nonReentrant() {
        if (entered) revert Reentrant();
        entered = true;
        _;
        entered = false;
    }

    /// @param set_ the frozen sets; it lets this contract jail absent operators
    /// @param sources_ where stake lies, 1 to 4; a leaf names one by its place here
    /// @param assets_ that epochs can be funded in, 1 to 4, the same as of the sources; the zero address is ether; no token that
    ///        rebases or takes a fee
    /// @param absenceJailS_ how long an absent operator is jailed, at most seven days
    constructor(IStakedSet set_, IStakeSource[] memory sources_, address[] memory assets_, uint256 absenceJailS_) {
        if (sources_.length == 0 || sources_.length > MOST_SOURCES) revert BadSettings();
        if (assets_.length == 0 || assets_.length > MOST_ASSETS) revert BadSettings();
        if (absenceJailS_ == 0 || absenceJailS_ > MOST_JAIL_S) revert BadSettings();
        (set, store, absenceJailS) = (set_, IStoreEpochs(set_.store()), absenceJailS_);
        for (uint256 i; i < sources_.length; ++i) {
            if (address(sources_[i]) == address(0)) revert BadSettings();
            for (uint256 j; j < i; ++j) {
                if (sources_[j] == sources_[i]) revert BadSettings();
            }
        }
        for (uint256 i; i < assets_.length; ++i) {
            if (isAsset[assets_[i]]) revert BadSettings();
            isAsset[assets_[i]] = true;
        }
        (sources, assets) = (sources_, assets_);
    }

    // -------------------------------------------------------------------------------------------------------- funds

    /// @notice Fund an epoch, the present or a later one.
    /// @param asset zero for ether, which is sent along
    /// @param amount of a token it is drawn from the caller
    function fund(uint48 epoch, address asset, uint256 amount) external payable nonReentrant {
        _fund(epoch, asset, amount);
    }

    /// @notice Pay for a feed that one uses: into the epoch's pot, as all funds, and on record as of this payer and feed.
    /// @param feed id of the token in the store, which must have it
    function payFor(bytes32 feed, uint48 epoch, address asset, uint256 amount) external payable nonReentrant {
        store.indexOf(feed);
        emit PaidFor(feed, epoch, msg.sender, asset, amount);
        _fund(epoch, asset, amount);
    }

    function _fund(uint48 epoch, address asset, uint256 amount) private {
        if (!isAsset[asset]) revert UnknownAsset(asset);
        if (amount == 0 || amount > type(uint128).max || msg.value != (asset == ETHER ? amount : 0)) revert BadAmount(amount);
        uint48 present = presentEpoch();
        if (epoch < present || epoch > present + MOST_AHEAD || hasEnded(epoch)) revert NotFundable(epoch, present);
        _add(epoch, asset, uint128(amount));
        emit Funded(epoch, asset, msg.sender, amount);
        if (asset == ETHER) return;
        uint256 before = IERC20(asset).balanceOf(address(this));
        _move(asset, abi.encodeCall(IERC20.transferFrom, (msg.sender, address(this), amount)));
        if (IERC20(asset).balanceOf(address(this)) != before + amount) revert TokenFailed(asset);
    }

    function _add(uint48 epoch, address asset, uint128 amount) private {
        Pot storage pot = potOf[epoch][asset];
        pot.funded += amount;
        pot.left += amount;
    }

    // ------------------------------------------------------------------------------------------------------- report

    /// @notice Post the report of an epoch that has ended; anybody may, once.
    /// @param root of the tree of what is owed
    /// @param absent operators that were absent, ascending, of at most W - T of the frozen weight: they are jailed for a short time, if
    ///        with those whom earlier reports keep there they weigh no more, and no later epoch has ended
    /// @param grounds what the report was computed from; the signers sign its hash
    /// @param signatures over `digestOf`, of weight T of the epoch's frozen set: index 1 | r 32 | vs 32 each, ascending by index
    function post(
        uint48 epoch,
        bytes32 root,
        address[] calldata absent,
        bytes calldata grounds,
        bytes calldata signatures
    ) external nonReentrant {
        Report storage report = reportOf[epoch];
        if (report.root != 0 || report.rolled) revert Closed(epoch);
        if (!hasEnded(epoch)) revert TooEarly(epoch);
        if (root == 0) revert NothingToPost(epoch);
        (Members memory members, uint256 weight) =
            _signed(epoch, digestOf(epoch, root, absent, keccak256(grounds)), signatures);
        uint256[] memory weighing = _weigh(absent, members);
        (report.root, report.postedAt) = (root, uint48(block.timestamp));
        emit Posted(epoch, root, absent, grounds, weight);
        // weights of long ago say nothing of what goes on now
        if (absent.length != 0 && epoch + 1 >= presentEpoch()) _jail(epoch, absent, weighing, members);
    }

    /// @dev The epoch's frozen set, and the weight of those who signed: T at least.
    function _signed(uint48 epoch, bytes32 digest, bytes calldata signatures)
        private
        view
        returns (Members memory members, uint256 weight)
    {
        IStakedSet.Frozen memory frozen = set.frozenOf(epoch);
        if (frozen.threshold == 0) revert NothingToPost(epoch);
        (members.keys, members.operators, members.weights) = set.membersOf(epoch);
        members.spare = frozen.total - frozen.threshold;
        weight = weightOf(digest, signatures, members.keys, members.weights);
        if (weight < frozen.threshold) revert BelowThreshold(weight, frozen.threshold);
    }

    /// @dev Weights of members of the frozen set, each once, and no more of them than can be missing where weight T goes on.
    function _weigh(address[] calldata absent, Members memory members) private pure returns (uint256[] memory weighing) {
        uint256 total;
        address last;
        uint256 count = members.operators.length;
        weighing = new uint256[](absent.length);
        for (uint256 i; i < absent.length; ++i) {
            address operator = absent[i];
            if (operator <= last) revert BadAbsent(operator);
            last = operator;
            uint256 at;
            while (at < count && members.operators[at] != operator) ++at;
            if (at == count) revert BadAbsent(operator);
            weighing[i] = members.weights[at];
            total += members.weights[at];
        }
        if (total > members.spare) revert TooManyAbsent(total, members.spare);
    }

    /// @dev Reports of several epochs together jail W - T at most.
    function _jail(uint48 epoch, address[] calldata absent, uint256[] memory weighing, Members memory members) private {
        uint48 until = uint48(block.timestamp + absenceJailS);
        uint256 jailed;
        for (uint256 i; i < members.operators.length; ++i) {
            if (absentUntil[members.operators[i]] > block.timestamp) jailed += members.weights[i];
        }
        for (uint256 i; i < absent.length; ++i) {
            address operator = absent[i];
            if (absentUntil[operator] <= block.timestamp) {
                if (jailed + weighing[i] > members.spare) {
                    emit NotJailed(epoch, operator);
                    continue;
                }
                jailed += weighing[i];
            }
            absentUntil[operator] = until;
            set.jailAbsent(operator, until);
        }
    }

    // -------------------------------------------------------------------------------------------------------- claim

    /// @notice Have a source paid what a report owes an operator there; anybody may, once.
    /// @param source place in the list of sources
    /// @param proof from the leaf to the root, ascending
    function claim(
        uint48 epoch,
        address operator,
        uint256 source,
        address asset,
        uint256 amount,
        bytes32[] calldata proof
    ) external nonReentrant {
        if (source >= sources.length) revert UnknownSource(source);
        bytes32 leaf = leafOf(epoch, operator, source, asset, amount);
        bytes32 root = reportOf[epoch].root;
        if (root == 0 || proof.length > MOST_PROOF || rootFrom(leaf, proof) != root) revert BadProof();
        if (isPaid[leaf]) revert AlreadyPaid(leaf);
        isPaid[leaf] = true;
        Pot storage pot = potOf[epoch][asset];
        if (amount > pot.left) revert PotEmpty(epoch, asset, pot.left);
        pot.left -= uint128(amount);
        emit Claimed(epoch, operator, source, asset, amount);
        IStakeSource to = sources[source];
        if (asset != ETHER) _move(asset, abi.encodeCall(IERC20.transfer, (address(to), amount)));
        to.reward{value: asset == ETHER ? amount : 0}(epoch, operator, asset, amount);
    }

    /// @notice What is left of an epoch goes to the present one: long after its report, or if there is none; anybody may.
    function rollOver(uint48 epoch) external nonReentrant {
        uint48 to = presentEpoch();
        if (hasEnded(to)) ++to;
        if (epoch >= to || block.timestamp <= closesAt(epoch)) revert TooEarly(epoch);
        reportOf[epoch].rolled = true;
        for (uint256 i; i < assets.length; ++i) {
            address asset = assets[i];
            uint128 left = potOf[epoch][asset].left;
            if (left == 0) continue;
            potOf[epoch][asset].left = 0;
            _add(to, asset, left);
            emit RolledOver(epoch, to, asset, left);
        }
    }

    /// @dev Some tokens answer nothing.
    function _move(address asset, bytes memory data) private {
        (bool done, bytes memory answer) = asset.call(data);
        if (!done || asset.code.length == 0) revert TokenFailed(asset);
        if (answer.length != 0 && !abi.decode(answer, (bool))) revert TokenFailed(asset);
    }

    // --------------------------------------------------------------------------------------------------------- read

    /// @notice The epoch that is in force at the store.
    function presentEpoch() public view returns (uint48 epoch) {
        (epoch,,,) = store.signerSet();
    }

    /// @notice Whether an epoch is over: another one followed, or its last word can no longer be proven.
    function hasEnded(uint48 epoch) public view returns (bool) {
        uint48 present = presentEpoch();
        if (epoch != present) return epoch < present;
        uint48 until = set.frozenOf(epoch).provableUntil;
        return until != 0 && block.timestamp > until;
    }

    /// @notice After this second what is left of an ended epoch may be rolled over.
    function closesAt(uint48 epoch) public view returns (uint256) {
        Report storage report = reportOf[epoch];
        if (report.root != 0) return report.postedAt + CLAIM_S;
        uint48 until = set.frozenOf(epoch).provableUntil;
        return until == 0 ? 0 : until + REPORT_S; // no set was frozen for it: nobody could sign a report
    }

    /// @notice What the signers of an epoch sign: EIP-712 in the store's domain,
    ///         `Rewards(uint48 epoch,bytes32 root,address[] absent,bytes32 grounds)`.
    function digestOf(uint48 epoch, bytes32 root, address[] calldata absent, bytes32 grounds) public view returns (bytes32) {
        return reportDigest(store.domainSeparator(), epoch, root, absent, grounds);
    }

    /// @notice Leaf of what an operator is owed.
    function leafOf(uint48 epoch, address operator, uint256 source, address asset, uint256 amount)
        public
        pure
        returns (bytes32)
    {
        return leafHash(epoch, operator, source, asset, amount);
    }

    /// @notice All sources; a leaf names one by its place.
    function allSources() external view returns (IStakeSource[] memory) {
        return sources;
    }

    /// @notice All assets.
    function allAssets() external view returns (address[] memory) {
        return assets;
    }
}
