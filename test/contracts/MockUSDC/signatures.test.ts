import { expect } from "chai";
import { network } from "hardhat";
import { type Address, concatHex, type Hex, hexToBigInt, numberToHex, slice, zeroAddress, zeroHash } from "viem";
import type { Authorization } from "../../../src/authorization/types.ts";
import {
  authorizationArgs,
  deployUsdc,
  fundedAccount,
  makeAuthorization,
  type SplitSignature,
  signCancel,
  signPermit,
  signTransfer,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const payer = fundedAccount(10);
const payee = fundedAccount(11).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  const wallet = await viem.deployContract("OwnerWallet", [payer.address]);
  const factory = await viem.deployContract("OwnerWalletFactory");
  const delegate = await viem.deployContract("DelegateWallet");
  await deployed.mint(payer.address, 1_000n);
  await deployed.mint(wallet.address, 1_000n);
  return { ...deployed, wallet, factory, delegate };
}

async function setUp() {
  const deployed = await networkHelpers.loadFixture(fixture);
  const terms = (overrides: Partial<Authorization> = {}) =>
    makeAuthorization(deployed, { from: payer.address, to: payee, value: 400n, ...overrides });
  const settleBytes = (a: Authorization, signature: Hex) =>
    deployed.usdc.write.transferWithAuthorization([...authorizationArgs(a), signature]);
  const settleSplit = (a: Authorization, { v, r, s }: Omit<SplitSignature, "signature">) =>
    deployed.usdc.write.transferWithAuthorization([...authorizationArgs(a), v, r, s]);
  /** Delegates the payer to `to` (EIP-7702); the zero address removes the code. */
  const delegateTo = async (to: Address) => {
    const [sender] = await viem.getWalletClients();
    const publicClient = await viem.getPublicClient();
    const nonce = await publicClient.getTransactionCount({ address: payer.address });
    if (!payer.signAuthorization) throw new Error("the account cannot sign EIP-7702 authorizations");
    const authorization = await payer.signAuthorization({ address: to, chainId: deployed.chainId, nonce });
    await sender?.sendTransaction({ to: zeroAddress, authorizationList: [authorization] });
    return publicClient.getCode({ address: payer.address });
  };
  return { ...deployed, terms, settleBytes, settleSplit, delegateTo };
}

/** The other signature that recovers to the same account. */
function mirrored({ v, r, s }: SplitSignature) {
  const mirroredS = numberToHex(ORDER - hexToBigInt(s), { size: 32 });
  return { v: 55 - v, r, s: mirroredS, signature: concatHex([r, mirroredS, numberToHex(55 - v)]) };
}

describe("MockUSDC: signatures of an account without code", () => {
  it("reverts on the malleable twin, in every function that takes a signature", async () => {
    const { usdc, terms, chainId } = await setUp();
    const at = { chainId, token: usdc.address };
    const reason = "ECRecover: invalid signature 's' value";
    const a = terms();
    const transfer = mirrored(await signTransfer(payer, a));
    const { write } = usdc;
    const args = authorizationArgs(a);
    await viem.assertions.revertWith(
      write.transferWithAuthorization([...args, transfer.v, transfer.r, transfer.s]),
      reason,
    );
    await viem.assertions.revertWith(write.transferWithAuthorization([...args, transfer.signature]), reason);

    const own = authorizationArgs({ ...a, to: payer.address });
    const receive = mirrored(
      await signTransfer(payer, { ...a, to: payer.address }, "ReceiveWithAuthorization"),
    ).signature;
    await viem.assertions.revertWith(
      write.receiveWithAuthorization([...own, receive], { account: payer.address }),
      reason,
    );
    const cancel = mirrored(await signCancel(payer, a)).signature;
    await viem.assertions.revertWith(write.cancelAuthorization([payer.address, a.nonce, cancel]), reason);
    const permit = { owner: payer.address, spender: payee, value: 1n, nonce: 0n, deadline: a.validBefore };
    const { signature } = mirrored(await signPermit(payer, at, permit));
    await viem.assertions.revertWith(write.permit([payer.address, payee, 1n, a.validBefore, signature]), reason);
  });

  it("reverts for any v except 27 and 28", async () => {
    const { terms, settleSplit, settleBytes } = await setUp();
    const a = terms();
    const signature = await signTransfer(payer, a);
    for (const v of [0, 1, 26, 29, 255]) {
      const reason = "ECRecover: invalid signature 'v' value";
      await viem.assertions.revertWith(settleSplit(a, { ...signature, v }), reason);
      const bytes = concatHex([signature.r, signature.s, numberToHex(v, { size: 1 })]);
      await viem.assertions.revertWith(settleBytes(a, bytes), reason);
    }
  });

  it("checks s before v", async () => {
    const { terms, settleSplit } = await setUp();
    const a = terms();
    await viem.assertions.revertWith(
      settleSplit(a, { ...mirrored(await signTransfer(payer, a)), v: 0 }),
      "ECRecover: invalid signature 's' value",
    );
  });

  it("accepts an s of half the order as in range, reverts for one more", async () => {
    const { terms, settleSplit } = await setUp();
    const a = terms();
    const { r, v } = await signTransfer(payer, a);
    const half = ORDER / 2n;
    await viem.assertions.revertWith(
      settleSplit(a, { v, r, s: numberToHex(half, { size: 32 }) }),
      "FiatTokenV2: invalid signature",
    );
    await viem.assertions.revertWith(
      settleSplit(a, { v, r, s: numberToHex(half + 1n, { size: 32 }) }),
      "ECRecover: invalid signature 's' value",
    );
  });

  it("reverts when the signature recovers to the zero address", async () => {
    const { terms, settleSplit } = await setUp();
    const a = terms();
    await viem.assertions.revertWith(
      settleSplit(a, { v: 27, r: zeroHash, s: zeroHash }),
      "ECRecover: invalid signature",
    );
  });

  it("reverts for any length except 65 bytes", async () => {
    const { terms, settleBytes } = await setUp();
    const a = terms();
    const { signature } = await signTransfer(payer, a);
    for (const wrong of ["0x", slice(signature, 0, 64), concatHex([signature, "0x00"])] as const) {
      await viem.assertions.revertWith(settleBytes(a, wrong), "ECRecover: invalid signature length");
    }
  });
});

describe("MockUSDC: signatures of an account with code", () => {
  it("settles what the wallet accepts, with both overloads", async () => {
    const { usdc, wallet, terms, settleBytes, settleSplit } = await setUp();
    const first = terms({ from: wallet.address });
    await settleBytes(first, (await signTransfer(payer, first)).signature);
    const second = terms({ from: wallet.address });
    await settleSplit(second, await signTransfer(payer, second));
    expect(await usdc.read.balanceOf([wallet.address])).to.equal(200n);
    expect(await usdc.read.balanceOf([payee])).to.equal(800n);
  });

  it("cancels and permits for the wallet", async () => {
    const { usdc, wallet, terms, chainId } = await setUp();
    const a = terms({ from: wallet.address });
    const cancel = await signCancel(payer, a);
    await usdc.write.cancelAuthorization([wallet.address, a.nonce, cancel.signature]);
    expect(await usdc.read.authorizationState([wallet.address, a.nonce])).to.equal(true);

    const permit = { owner: wallet.address, spender: payee, value: 3n, nonce: 0n, deadline: a.validBefore };
    const { v, r, s } = await signPermit(payer, { chainId, token: usdc.address }, permit);
    await usdc.write.permit([wallet.address, payee, 3n, a.validBefore, v, r, s]);
    expect(await usdc.read.allowance([wallet.address, payee])).to.equal(3n);
  });

  it("reverts with the token's own string when the wallet refuses, also for malformed signatures", async () => {
    const { wallet, terms, settleBytes } = await setUp();
    const a = terms({ from: wallet.address });
    const { signature } = await signTransfer(fundedAccount(12), a);
    for (const refused of [signature, "0x", slice(signature, 0, 64)] as const) {
      await viem.assertions.revertWith(settleBytes(a, refused), "FiatTokenV2: invalid signature");
    }
  });

  it("reverts when the payer's code does not implement ERC-1271", async () => {
    const { factory, mint, terms, settleBytes } = await setUp();
    await mint(factory.address, 400n);
    const a = terms({ from: factory.address });
    const { signature } = await signTransfer(payer, a);
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");
  });

  it("reverts when the answer begins with the magic value but is shorter than a word or goes on in it", async () => {
    const { terms, settleBytes, mint } = await setUp();
    const hollow = fundedAccount(15).address;
    await mint(hollow, 400n);
    const a = terms({ from: hollow });
    const { signature } = await signTransfer(payer, a);
    // push4 0x1626ba7e, shl 224, mstore 0, return `size` bytes
    const answer = (size: string) => `0x631626ba7e60e01b60005260${size}6000f3` as const;
    await networkHelpers.setCode(hollow, answer("1f"));
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");
    // A word that begins with the magic value and is not zero after it: mstore8 of 1 into its last byte.
    await networkHelpers.setCode(hollow, "0x631626ba7e60e01b6000526001601f5360206000f3");
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");
    // Bytes after the word do not matter.
    await networkHelpers.setCode(hollow, answer("40"));
    await settleBytes(a, signature);
  });

  it("settles from a wallet at the address that its factory predicted", async () => {
    const { usdc, factory, mint, terms, settleBytes } = await setUp();
    const wallet = await factory.read.addressOf([payer.address, zeroHash]);
    await mint(wallet, 400n);
    const a = terms({ from: wallet });
    const { signature } = await signTransfer(payer, a);
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");

    await viem.assertions.emitWithArgs(factory.write.deploy([payer.address, zeroHash]), factory, "WalletDeployed", [
      wallet,
      payer.address,
      zeroHash,
    ]);
    await factory.write.deploy([payer.address, zeroHash]);
    await settleBytes(a, signature);
    expect(await usdc.read.balanceOf([payee])).to.equal(400n);
  });
});

describe("MockUSDC: signatures of a delegated account (EIP-7702)", () => {
  it("settles when the delegate vouches for the account's own key", async () => {
    const { usdc, delegate, terms, settleBytes, settleSplit, delegateTo } = await setUp();
    const code = await delegateTo(delegate.address);
    expect(code).to.equal(`0xef0100${delegate.address.slice(2)}`);
    const first = terms();
    await settleSplit(first, await signTransfer(payer, first));
    const second = terms();
    await settleBytes(second, (await signTransfer(payer, second)).signature);
    expect(await usdc.read.balanceOf([payee])).to.equal(800n);

    const forged = terms({ value: 1n });
    const { signature } = await signTransfer(fundedAccount(12), forged);
    await viem.assertions.revertWith(settleBytes(forged, signature), "FiatTokenV2: invalid signature");
  });

  it("reverts when the delegate answers nothing, though the key signed; settles once the code is gone", async () => {
    const { factory, terms, settleBytes, delegateTo } = await setUp();
    await delegateTo(factory.address);
    const a = terms();
    const { signature } = await signTransfer(payer, a);
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");
    await delegateTo(fundedAccount(13).address);
    await viem.assertions.revertWith(settleBytes(a, signature), "FiatTokenV2: invalid signature");
    expect(await delegateTo(zeroAddress)).to.equal(undefined);
    await settleBytes(a, signature);
  });
});
