// SPDX-License-Identifier: MIT
pragma solidity 0.8.28;

/// Liquid staking ether with rebasing balances, as Diva describes it: an account holds shares, and its balance is its
/// part of `totalEther`. A reward raises all balances, a slash shrinks them, and the number of shares stays.
///
/// Own code for a local chain, from the public description; it stakes nothing.
contract DivETH {
    string public constant name = "Diva Ether";
    string public constant symbol = "divETH";
    uint8 public constant decimals = 18;
    /// Shares of nobody, so that the share price never divides by zero and cannot be set by the first depositor.
    uint256 public constant INITIAL_SUPPLY = 1 gwei;

    address public immutable owner;
    uint128 public totalShares;
    uint128 public totalEther;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event TransferShares(address indexed from, address indexed to, uint256 shares);
    event Approval(address indexed owner, address indexed spender, uint256 amount);
    event TokenRebased(
        uint256 indexed reportTimestamp,
        uint256 timeElapsed,
        uint256 preTotalShares,
        uint256 preTotalEther,
        uint256 postTotalShares,
        uint256 postTotalEther,
        uint256 sharesMintedAsFees
    );

    error ErrZeroDeposit();
    error ErrZeroAmount();
    error NotOwner();
    error InsufficientShares(uint256 shares, uint256 needed);
    error InsufficientAllowance(uint256 allowance, uint256 needed);
    error TooLarge(uint256 amount);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    constructor() {
        owner = msg.sender;
        totalEther = _u128(INITIAL_SUPPLY);
        _mintShares(address(1), INITIAL_SUPPLY);
    }

    receive() external payable {
        _deposit(msg.sender);
    }

    /// Stake the ether sent.
    /// @return shares the caller received, rounded down
    function deposit() external payable returns (uint256 shares) {
        return _deposit(msg.sender);
    }

    function depositFor(address user) external payable returns (uint256 shares) {
        return _deposit(user);
    }

    /// Ether that all shares stand for.
    function totalSupply() external view returns (uint256) {
        return totalEther;
    }

    function balanceOf(address account) external view returns (uint256) {
        return convertToAssets(sharesOf[account]);
    }

    /// Ether of `shares`, rounded down.
    function convertToAssets(uint256 shares) public view returns (uint256) {
        return (shares * totalEther) / totalShares;
    }

    /// Shares of `assets` ether, rounded down.
    function convertToShares(uint256 assets) public view returns (uint256) {
        return (assets * totalShares) / totalEther;
    }

    function approve(address spender, uint256 assets) external returns (bool) {
        allowance[msg.sender][spender] = assets;
        emit Approval(msg.sender, spender, assets);
        return true;
    }

    function transfer(address to, uint256 assets) external returns (bool) {
        _moveShares(msg.sender, to, convertToShares(assets), assets);
        return true;
    }

    function transferFrom(address from, address to, uint256 assets) external returns (bool) {
        _spend(from, assets);
        _moveShares(from, to, convertToShares(assets), assets);
        return true;
    }

    /// @return assets the ether that the moved shares stand for
    function transferShares(address to, uint256 shares) external returns (uint256 assets) {
        assets = convertToAssets(shares);
        _moveShares(msg.sender, to, shares, assets);
    }

    function transferSharesFrom(address from, address to, uint256 shares) external returns (uint256 assets) {
        assets = convertToAssets(shares);
        _spend(from, assets);
        _moveShares(from, to, shares, assets);
    }

    /// Give up own shares: every other share is worth more afterwards.
    function burnShares(uint256 shares) external {
        uint256 assets = convertToAssets(shares);
        _takeShares(msg.sender, shares);
        totalShares -= _u128(shares);
        emit Transfer(msg.sender, address(0), assets);
        emit TransferShares(msg.sender, address(0), shares);
    }

    /// Pay `user` in new shares: every share is worth less afterwards.
    function mintShares(address user, uint256 shares) external onlyOwner {
        _mintShares(user, shares);
    }

    /// The accounting's report of all staked ether. It may rise or fall, by any amount.
    function rebase(uint256 reportTimestamp, uint256 timeElapsed, uint256 postTotalEther, uint256 sharesMintedAsFees)
        external
        onlyOwner
    {
        if (postTotalEther == 0) revert ErrZeroAmount();
        (uint256 preTotalShares, uint256 preTotalEther) = (totalShares, totalEther);
        totalEther = _u128(postTotalEther);
        if (sharesMintedAsFees != 0) _mintShares(owner, sharesMintedAsFees);
        emit TokenRebased(
            reportTimestamp,
            timeElapsed,
            preTotalShares,
            preTotalEther,
            totalShares,
            postTotalEther,
            sharesMintedAsFees
        );
    }

    function _deposit(address user) private returns (uint256 shares) {
        if (msg.value == 0) revert ErrZeroDeposit();
        shares = convertToShares(msg.value);
        if (shares == 0) revert ErrZeroAmount();
        totalEther += _u128(msg.value);
        _mintShares(user, shares);
    }

    function _mintShares(address user, uint256 shares) private {
        totalShares += _u128(shares);
        sharesOf[user] += shares;
        emit Transfer(address(0), user, convertToAssets(shares));
        emit TransferShares(address(0), user, shares);
    }

    function _moveShares(address from, address to, uint256 shares, uint256 assets) private {
        _takeShares(from, shares);
        sharesOf[to] += shares;
        emit Transfer(from, to, assets);
        emit TransferShares(from, to, shares);
    }

    function _takeShares(address from, uint256 shares) private {
        uint256 held = sharesOf[from];
        if (held < shares) revert InsufficientShares(held, shares);
        sharesOf[from] = held - shares;
    }

    function _spend(address from, uint256 assets) private {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed == type(uint256).max) return;
        if (allowed < assets) revert InsufficientAllowance(allowed, assets);
        allowance[from][msg.sender] = allowed - assets;
    }

    function _u128(uint256 amount) private pure returns (uint128) {
        if (amount > type(uint128).max) revert TooLarge(amount);
        return uint128(amount);
    }
}
