import { expect } from "chai";
import { network } from "hardhat";
import type { Address } from "viem";
import type { Authorization } from "../../../src/authorization/types.ts";
import {
  authorizationArgs,
  deployUsdc,
  fundedAccount,
  makeAuthorization,
  type SplitSignature,
  signTransfer,
  ZERO_ADDRESS,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const payer = fundedAccount(10);
const payee = fundedAccount(11).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  await deployed.mint(payer.address, 1_000n);
  return deployed;
}

describe("MockUSDC: transferWithAuthorization", () => {
  for (const overload of ["v, r, s", "bytes"] as const) {
    describe(`overload with ${overload}`, () => {
      async function setUp() {
        const deployed = await networkHelpers.loadFixture(fixture);
        const terms = (overrides: Partial<Authorization> = {}) =>
          makeAuthorization(deployed, { from: payer.address, to: payee, value: 400n, ...overrides });
        const submit = (a: Authorization, { signature, v, r, s }: SplitSignature) =>
          overload === "bytes"
            ? deployed.usdc.write.transferWithAuthorization([...authorizationArgs(a), signature])
            : deployed.usdc.write.transferWithAuthorization([...authorizationArgs(a), v, r, s]);
        const settle = async (a: Authorization) => submit(a, await signTransfer(payer, a));
        return { ...deployed, terms, submit, settle };
      }

      it("settles: balances, nonce and both events in order", async () => {
        const { usdc, terms, settle } = await setUp();
        const authorization = terms();
        expect(await usdc.read.authorizationState([payer.address, authorization.nonce])).to.equal(false);

        const hash = await settle(authorization);

        expect(await usdc.read.balanceOf([payer.address])).to.equal(600n);
        expect(await usdc.read.balanceOf([payee])).to.equal(400n);
        expect(await usdc.read.authorizationState([payer.address, authorization.nonce])).to.equal(true);
        const { logs } = await (await viem.getPublicClient()).getTransactionReceipt({ hash });
        const used = await usdc.getEvents.AuthorizationUsed();
        const transfers = await usdc.getEvents.Transfer();
        expect(logs.length).to.equal(2);
        expect(used.map((log) => [log.logIndex, log.args])).to.deep.equal([
          [0, { authorizer: payer.address, nonce: authorization.nonce }],
        ]);
        expect(transfers.map((log) => [log.logIndex, log.args])).to.deep.equal([
          [1, { from: payer.address, to: payee, value: 400n }],
        ]);
      });

      it("settles a value of zero, the whole balance, and a payment to oneself", async () => {
        const { usdc, terms, settle } = await setUp();
        await settle(terms({ value: 0n }));
        await settle(terms({ to: payer.address }));
        expect(await usdc.read.balanceOf([payer.address])).to.equal(1_000n);
        await settle(terms({ value: 1_000n }));
        expect(await usdc.read.balanceOf([payer.address])).to.equal(0n);
        expect(await usdc.read.balanceOf([payee])).to.equal(1_000n);
      });

      it("settles the same nonce of two payers", async () => {
        const { usdc, mint, terms, settle, submit } = await setUp();
        const other = fundedAccount(12);
        await mint(other.address, 400n);
        const first = terms();
        const second = { ...first, from: other.address };
        await settle(first);
        await submit(second, await signTransfer(other, second));
        expect(await usdc.read.balanceOf([payee])).to.equal(800n);
      });

      it("settles one second after validAfter and reverts at it", async () => {
        const { terms, settle } = await setUp();
        const now = BigInt(await networkHelpers.time.latest()) + 100n;
        const authorization = terms({ validAfter: now });
        await networkHelpers.time.setNextBlockTimestamp(now);
        await viem.assertions.revertWith(settle(authorization), "FiatTokenV2: authorization is not yet valid");
        await networkHelpers.time.setNextBlockTimestamp(now + 1n);
        await settle(authorization);
      });

      it("reverts at validBefore and settles one second before it", async () => {
        const { terms, settle } = await setUp();
        const now = BigInt(await networkHelpers.time.latest()) + 100n;
        await networkHelpers.time.setNextBlockTimestamp(now);
        await viem.assertions.revertWith(settle(terms({ validBefore: now })), "FiatTokenV2: authorization is expired");
        await networkHelpers.time.setNextBlockTimestamp(now);
        await settle(terms({ validBefore: now + 1n }));
      });

      it("reverts when the nonce was used", async () => {
        const { terms, settle } = await setUp();
        const authorization = terms();
        await settle(authorization);
        await viem.assertions.revertWith(
          settle(terms({ nonce: authorization.nonce, value: 1n })),
          "FiatTokenV2: authorization is used or canceled",
        );
      });

      it("reverts when somebody else signed", async () => {
        const { terms, submit } = await setUp();
        const authorization = terms();
        const signature = await signTransfer(fundedAccount(12), authorization);
        await viem.assertions.revertWith(submit(authorization, signature), "FiatTokenV2: invalid signature");
      });

      it("reverts when a receive was signed", async () => {
        const { terms, submit } = await setUp();
        const authorization = terms();
        const signature = await signTransfer(payer, authorization, "ReceiveWithAuthorization");
        await viem.assertions.revertWith(submit(authorization, signature), "FiatTokenV2: invalid signature");
      });

      it("reverts when the signature is for another chain or token", async () => {
        const { terms, submit, implementation } = await setUp();
        for (const other of [{ chainId: 8453 }, { token: implementation.address }]) {
          const authorization = terms();
          const signature = await signTransfer(payer, { ...authorization, ...other });
          await viem.assertions.revertWith(submit(authorization, signature), "FiatTokenV2: invalid signature");
        }
      });

      it("reverts when the balance is one unit short, and the nonce stays unused", async () => {
        const { usdc, terms, settle } = await setUp();
        const authorization = terms({ value: 1_001n });
        await viem.assertions.revertWith(settle(authorization), "ERC20: transfer amount exceeds balance");
        expect(await usdc.read.authorizationState([payer.address, authorization.nonce])).to.equal(false);
      });

      it("reverts when the payee is the zero address", async () => {
        const { terms, settle } = await setUp();
        await viem.assertions.revertWith(settle(terms({ to: ZERO_ADDRESS })), "ERC20: transfer to the zero address");
      });

      it("reverts when payer, payee or the token itself as payee is blocklisted, not when the caller is", async () => {
        const { usdc, roles, terms, settle, blacklist } = await setUp();
        const unblock = (account: Address) => usdc.write.unBlacklist([account], { account: roles.blacklister.account });
        for (const account of [payer.address, payee]) {
          await blacklist(account);
          await viem.assertions.revertWith(settle(terms()), "Blacklistable: account is blacklisted");
          await unblock(account);
        }
        await viem.assertions.revertWith(settle(terms({ to: usdc.address })), "Blacklistable: account is blacklisted");
        await blacklist(roles.minter.account.address);
        await settle(terms());
      });

      it("reverts when paused", async () => {
        const { terms, settle, pause } = await setUp();
        await pause();
        await viem.assertions.revertWith(settle(terms()), "Pausable: paused");
      });

      it("names the first broken condition if several are broken", async () => {
        const { terms, submit, settle, blacklist, pause } = await setUp();
        const used = terms();
        await settle(used);
        const wrong = await signTransfer(fundedAccount(12), used);
        const { nonce } = used;
        const expectReason = (overrides: Partial<Authorization>, reason: string) =>
          viem.assertions.revertWith(submit(terms({ value: 5_000n, ...overrides }), wrong), reason);

        await expectReason({}, "FiatTokenV2: invalid signature");
        await expectReason({ nonce }, "FiatTokenV2: authorization is used or canceled");
        await expectReason({ nonce, validBefore: 1n }, "FiatTokenV2: authorization is expired");
        const future = BigInt(await networkHelpers.time.latest()) + 1_000n;
        const early = { nonce, validBefore: 1n, validAfter: future };
        await expectReason(early, "FiatTokenV2: authorization is not yet valid");
        await blacklist(payee);
        await expectReason(early, "Blacklistable: account is blacklisted");
        await pause();
        await expectReason(early, "Pausable: paused");
      });
    });
  }

  // The deployed token uses 85,752 gas in a transaction of its own, to a payee with a balance.
  it("uses the gas of the deployed token within 10 %", async () => {
    const deployed = await networkHelpers.loadFixture(fixture);
    await deployed.mint(payee, 1n);
    const authorization = makeAuthorization(deployed, { from: payer.address, to: payee, value: 400n });
    const { v, r, s } = await signTransfer(payer, authorization);
    const hash = await deployed.usdc.write.transferWithAuthorization([...authorizationArgs(authorization), v, r, s]);
    const { gasUsed } = await (await viem.getPublicClient()).getTransactionReceipt({ hash });
    expect(Number(gasUsed)).to.be.within(77_177, 94_327);
  });
});
