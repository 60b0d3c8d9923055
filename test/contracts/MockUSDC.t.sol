// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FiatProxy} from "../../contracts/mocks/FiatProxy.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";

/// @dev The cheatcodes that these tests use.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function chainId(uint256 id) external;
    function prank(address caller) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
    function expectRevert(bytes calldata reason) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev The digest from first principles, so that the token's own getters are checked and not trusted.
function transferDigest(
    address token,
    address from,
    address to,
    uint256 value,
    uint256 validAfter,
    uint256 validBefore,
    bytes32 nonce
) view returns (bytes32) {
    bytes32 domain = keccak256(
        abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("USDC"),
            keccak256("2"),
            block.chainid,
            token
        )
    );
    bytes32 typeHash = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
        "bytes32 nonce)"
    );
    bytes32 structHash = keccak256(abi.encode(typeHash, from, to, value, validAfter, validBefore, nonce));
    return keccak256(abi.encodePacked(hex"1901", domain, structHash));
}

/// @dev A token behind its proxy; `minter` may mint without bound, `admin` holds every other role.
function deployToken(address minter, address admin) returns (MockUSDC token) {
    token = MockUSDC(address(new FiatProxy(address(new MockUSDC()), address(0))));
    token.initialize("USDC", "USDC", "USD", 6, admin, admin, admin, admin);
    vm.prank(admin);
    token.configureMinter(minter, type(uint256).max);
}

contract MockUSDCTest {
    address private constant _ADMIN = address(0xAD);
    uint256 private constant _NOW = 1_800_000_000;
    uint256 private constant _ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    MockUSDC private token;

    function setUp() external {
        vm.warp(_NOW);
        token = deployToken(address(this), _ADMIN);
        for (uint256 key = 1; key <= 8; ++key) token.mint(vm.addr(key), 1e12);
        token.mint(address(0xBEEF), 1);
    }

    function testFuzz_SettlesWithinTheBoundsOnly(uint256 validAfter, uint256 validBefore, uint256 now_) external {
        now_ = 1 + (now_ % type(uint64).max);
        // Half of the runs are near the bounds, where the comparisons matter.
        if (validAfter % 2 == 0) {
            validAfter = now_ - 1 + (validAfter % 3);
            validBefore = now_ - 1 + (validBefore % 3);
        }
        vm.warp(now_);
        address payer = vm.addr(1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            1,
            transferDigest(address(token), payer, address(0xBEEF), 5, validAfter, validBefore, "n")
        );
        if (now_ <= validAfter) vm.expectRevert(_reason("FiatTokenV2: authorization is not yet valid"));
        else if (now_ >= validBefore) vm.expectRevert(_reason("FiatTokenV2: authorization is expired"));
        token.transferWithAuthorization(payer, address(0xBEEF), 5, validAfter, validBefore, "n", v, r, s);
    }

    function testFuzz_SettlesAnyAffordableValueOnce(uint256 value, bytes32 nonce) external {
        value %= 1e12 + 1;
        address payer = vm.addr(2);
        (uint8 v, bytes32 r, bytes32 s) = _sign(2, address(0xBEEF), value, nonce);

        token.transferWithAuthorization(payer, address(0xBEEF), value, 0, _NOW + 1, nonce, v, r, s);

        require(token.balanceOf(payer) == 1e12 - value, "payer");
        require(token.balanceOf(address(0xBEEF)) == 1 + value, "payee");
        require(token.authorizationState(payer, nonce), "state");
        vm.expectRevert(_reason("FiatTokenV2: authorization is used or canceled"));
        token.transferWithAuthorization(payer, address(0xBEEF), value, 0, _NOW + 1, nonce, v, r, s);
    }

    function testFuzz_RejectsAnyChangedTerm(uint256 field, uint256 change) external {
        field %= 6;
        address payer = vm.addr(3);
        uint256[6] memory terms = [
            uint256(uint160(payer)),
            uint256(uint160(address(0xBEEF))),
            7,
            3,
            _NOW + 9,
            uint256(bytes32("nonce"))
        ];
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            3,
            transferDigest(address(token), payer, address(0xBEEF), 7, 3, _NOW + 9, "nonce")
        );
        // Other terms that would be valid alone, so that only the signature can differ.
        if (field == 0) terms[0] = uint256(uint160(vm.addr(4)));
        if (field == 1) terms[1] = 1 + (change % (uint256(uint160(address(0xBEEF))) - 1));
        if (field == 2) terms[2] = 8 + (change % 1e6);
        if (field == 3) terms[3] = 4 + (change % 1e6);
        if (field == 4) terms[4] = _NOW + 10 + (change % 1e6);
        if (field == 5) terms[5] = change == terms[5] ? 0 : change;

        vm.expectRevert(_reason("FiatTokenV2: invalid signature"));
        token.transferWithAuthorization(
            address(uint160(terms[0])),
            address(uint160(terms[1])),
            terms[2],
            terms[3],
            terms[4],
            bytes32(terms[5]),
            abi.encodePacked(r, s, v)
        );
    }

    function testFuzz_RejectsTheMirroredSignature(bytes32 nonce) external {
        (uint8 v, bytes32 r, bytes32 s) = _sign(1, address(0xBEEF), 1, nonce);
        s = bytes32(_ORDER - uint256(s));
        v = 55 - v;
        vm.expectRevert(_reason("ECRecover: invalid signature 's' value"));
        token.transferWithAuthorization(vm.addr(1), address(0xBEEF), 1, 0, _NOW + 1, nonce, v, r, s);
    }

    function testFuzz_RejectsEveryOtherV(uint8 v, bytes32 nonce) external {
        (uint8 goodV, bytes32 r, bytes32 s) = _sign(1, address(0xBEEF), 1, nonce);
        if (v == goodV) v = 0;
        // The other v recovers to somebody else, or to the zero address.
        if (v == 27 || v == 28) return;
        vm.expectRevert(_reason("ECRecover: invalid signature 'v' value"));
        token.transferWithAuthorization(vm.addr(1), address(0xBEEF), 1, 0, _NOW + 1, nonce, v, r, s);
    }

    function testFuzz_DomainFollowsTheChainId(uint64 id) external {
        if (id == 0) id = 1;
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("USDC"),
                keccak256("2"),
                uint256(id),
                address(token)
            )
        );
        vm.chainId(id);
        require(token.DOMAIN_SEPARATOR() == expected, "domain");
    }

    /// @dev For comparison: this call uses 43,988 gas inside the deployed token and its proxy.
    function test_GasOfOneOfManyPayersToOnePayee() external {
        _settle(1, "warms up proxy, token and payee");
        for (uint256 key = 2; key <= 8; ++key) {
            uint256 used = _settle(key, keccak256(abi.encode(key)));
            require(used > 39_589 && used < 48_387, "gas of transferWithAuthorization is off by more than 10 %");
        }
    }

    function _settle(uint256 key, bytes32 nonce) private returns (uint256 used) {
        (uint8 v, bytes32 r, bytes32 s) = _sign(key, address(0xBEEF), 10_000, nonce);
        bytes memory data = abi.encodeWithSignature(
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
            vm.addr(key),
            address(0xBEEF),
            10_000,
            0,
            _NOW + 1,
            nonce,
            v,
            r,
            s
        );
        address target = address(token);
        bool success;
        used = gasleft();
        assembly ("memory-safe") {
            success := call(gas(), target, 0, add(data, 32), mload(data), 0, 0)
        }
        used -= gasleft();
        require(success, "settles");
    }

    function _sign(
        uint256 key,
        address to,
        uint256 value,
        bytes32 nonce
    ) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(key, transferDigest(address(token), vm.addr(key), to, value, 0, _NOW + 1, nonce));
    }

    function _reason(string memory text) private pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", text);
    }
}

/// @dev Does random things to the token on behalf of five accounts, and remembers what must hold afterwards.
contract MockUSDCHandler {
    uint256 public constant ACCOUNTS = 5;
    uint256 public constant NONCES = 6;

    MockUSDC public immutable token;

    uint256 public minted;
    uint256 public burned;
    mapping(address payer => mapping(bytes32 nonce => uint256)) public uses;
    mapping(address payer => uint256) public blockedBalance;

    constructor() {
        token = deployToken(address(this), address(this));
    }

    function mint(uint256 to, uint256 amount) external {
        amount = 1 + (amount % 1e15);
        try token.mint(account(to), amount) {
            minted += amount;
        } catch {}
    }

    function burn(uint256 amount) external {
        amount = 1 + (amount % 1e6);
        try token.mint(address(this), amount) {
            token.burn(amount);
            minted += amount;
            burned += amount;
        } catch {}
    }

    function transfer(uint256 from, uint256 to, uint256 value) external {
        value = _portion(account(from), value);
        vm.prank(account(from));
        try token.transfer(account(to), value) {} catch {}
    }

    function spend(uint256 from, uint256 to, uint256 value) external {
        value = _portion(account(from), value);
        vm.prank(account(from));
        try token.approve(address(this), value) {
            try token.transferFrom(account(from), account(to), value) {} catch {}
        } catch {}
    }

    function settle(uint256 from, uint256 to, uint256 value, uint256 nonce) external {
        address payer = account(from);
        bytes32 word = bytes32(nonce % NONCES);
        value = _portion(payer, value);
        bytes32 digest = transferDigest(address(token), payer, account(to), value, 0, type(uint256).max, word);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key(from), digest);
        try
            token.transferWithAuthorization(
                payer,
                account(to),
                value,
                0,
                type(uint256).max,
                word,
                abi.encodePacked(r, s, v)
            )
        {
            ++uses[payer][word];
        } catch {}
    }

    function cancel(uint256 from, uint256 nonce) external {
        address payer = account(from);
        bytes32 word = bytes32(nonce % NONCES);
        bytes32 structHash = keccak256(abi.encode(token.CANCEL_AUTHORIZATION_TYPEHASH(), payer, word));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            key(from),
            keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash))
        );
        try token.cancelAuthorization(payer, word, v, r, s) {
            ++uses[payer][word];
        } catch {}
    }

    function toggleBlocked(uint256 index) external {
        address who = account(index);
        if (token.isBlacklisted(who)) {
            token.unBlacklist(who);
        } else {
            token.blacklist(who);
            blockedBalance[who] = token.balanceOf(who);
        }
    }

    function togglePaused() external {
        if (token.paused()) token.unpause();
        else token.pause();
    }

    function account(uint256 index) public pure returns (address) {
        return vm.addr(key(index));
    }

    function key(uint256 index) public pure returns (uint256) {
        return 1 + (index % ACCOUNTS);
    }

    /// @dev Up to one unit more than the account has, so that the balance check sometimes fails.
    function _portion(address who, uint256 value) private view returns (uint256) {
        return value % (token.balanceOf(who) + 2);
    }
}

contract MockUSDCInvariantTest {
    MockUSDCHandler private handler;

    function setUp() external {
        handler = new MockUSDCHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_SupplyIsTheSumOfTheBalances() external view {
        MockUSDC token = handler.token();
        uint256 sum = token.balanceOf(address(handler));
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) sum += token.balanceOf(handler.account(i));
        require(token.totalSupply() == sum, "sum of the balances");
        require(token.totalSupply() == handler.minted() - handler.burned(), "minted less burned");
    }

    function invariant_ANonceIsUsedOnce() external view {
        MockUSDC token = handler.token();
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            address payer = handler.account(i);
            for (uint256 nonce = 0; nonce < handler.NONCES(); ++nonce) {
                uint256 uses = handler.uses(payer, bytes32(nonce));
                require(uses <= 1, "used twice");
                require(token.authorizationState(payer, bytes32(nonce)) == (uses == 1), "state");
            }
        }
    }

    function invariant_ABlockedAccountKeepsItsBalance() external view {
        MockUSDC token = handler.token();
        for (uint256 i = 0; i < handler.ACCOUNTS(); ++i) {
            address who = handler.account(i);
            if (token.isBlacklisted(who)) require(token.balanceOf(who) == handler.blockedBalance(who), "moved");
        }
    }
}
