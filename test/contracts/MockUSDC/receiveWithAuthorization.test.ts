import { expect } from "chai";
import { network } from "hardhat";
import type { Authorization } from "../../../src/authorization/types.ts";
import {
  authorizationArgs,
  deployUsdc,
  fundedAccount,
  makeAuthorization,
  type SplitSignature,
  signTransfer,
} from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const payer = fundedAccount(10);
const payee = fundedAccount(11);

async function fixture() {
  const deployed = await deployUsdc(viem);
  await deployed.mint(payer.address, 1_000n);
  return deployed;
}

describe("MockUSDC: receiveWithAuthorization", () => {
  for (const overload of ["v, r, s", "bytes"] as const) {
    describe(`overload with ${overload}`, () => {
      async function setUp() {
        const deployed = await networkHelpers.loadFixture(fixture);
        const terms = (overrides: Partial<Authorization> = {}) =>
          makeAuthorization(deployed, { from: payer.address, to: payee.address, value: 400n, ...overrides });
        const submit = (a: Authorization, { signature, v, r, s }: SplitSignature, account = payee.address) =>
          overload === "bytes"
            ? deployed.usdc.write.receiveWithAuthorization([...authorizationArgs(a), signature], { account })
            : deployed.usdc.write.receiveWithAuthorization([...authorizationArgs(a), v, r, s], { account });
        const receive = async (a: Authorization) => submit(a, await signTransfer(payer, a, "ReceiveWithAuthorization"));
        return { ...deployed, terms, submit, receive };
      }

      it("settles when the payee calls", async () => {
        const { usdc, terms, receive } = await setUp();
        const authorization = terms();
        const hash = await receive(authorization);
        await viem.assertions.emitWithArgs(Promise.resolve(hash), usdc, "AuthorizationUsed", [
          payer.address,
          authorization.nonce,
        ]);
        await viem.assertions.emitWithArgs(Promise.resolve(hash), usdc, "Transfer", [
          payer.address,
          payee.address,
          400n,
        ]);
        expect(await usdc.read.balanceOf([payer.address])).to.equal(600n);
        expect(await usdc.read.balanceOf([payee.address])).to.equal(400n);
        expect(await usdc.read.authorizationState([payer.address, authorization.nonce])).to.equal(true);
      });

      it("reverts when somebody else calls, the payer included", async () => {
        const { terms, submit } = await setUp();
        const authorization = terms();
        const signature = await signTransfer(payer, authorization, "ReceiveWithAuthorization");
        for (const caller of [payer.address, fundedAccount(12).address]) {
          await viem.assertions.revertWith(
            submit(authorization, signature, caller),
            "FiatTokenV2: caller must be the payee",
          );
        }
      });

      it("reverts when a transfer was signed", async () => {
        const { terms, submit } = await setUp();
        const authorization = terms();
        await viem.assertions.revertWith(
          submit(authorization, await signTransfer(payer, authorization)),
          "FiatTokenV2: invalid signature",
        );
      });

      it("reverts at validAfter and at validBefore, settles between them", async () => {
        const { terms, receive } = await setUp();
        const now = BigInt(await networkHelpers.time.latest()) + 100n;
        const authorization = terms({ validAfter: now, validBefore: now + 2n });
        await networkHelpers.time.setNextBlockTimestamp(now);
        await viem.assertions.revertWith(receive(authorization), "FiatTokenV2: authorization is not yet valid");
        await networkHelpers.time.setNextBlockTimestamp(now + 1n);
        await receive(authorization);
        await networkHelpers.time.setNextBlockTimestamp(now + 2n);
        const late = terms({ validAfter: now, validBefore: now + 2n });
        await viem.assertions.revertWith(receive(late), "FiatTokenV2: authorization is expired");
      });

      it("shares its nonces with transferWithAuthorization", async () => {
        const { usdc, terms, receive } = await setUp();
        const authorization = terms();
        const { signature } = await signTransfer(payer, authorization);
        await usdc.write.transferWithAuthorization([...authorizationArgs(authorization), signature]);
        await viem.assertions.revertWith(receive(authorization), "FiatTokenV2: authorization is used or canceled");
      });

      it("reverts when the balance is one unit short", async () => {
        const { terms, receive } = await setUp();
        await viem.assertions.revertWith(receive(terms({ value: 1_001n })), "ERC20: transfer amount exceeds balance");
      });

      it("reverts when payer or payee is blocklisted, before it looks at the caller", async () => {
        const { usdc, roles, terms, submit, blacklist } = await setUp();
        const authorization = terms();
        const signature = await signTransfer(payer, authorization, "ReceiveWithAuthorization");
        for (const account of [payer.address, payee.address]) {
          await blacklist(account);
          await viem.assertions.revertWith(
            submit(authorization, signature, fundedAccount(12).address),
            "Blacklistable: account is blacklisted",
          );
          await usdc.write.unBlacklist([account], { account: roles.blacklister.account });
        }
      });

      it("reverts when paused", async () => {
        const { terms, receive, pause } = await setUp();
        await pause();
        await viem.assertions.revertWith(receive(terms()), "Pausable: paused");
      });
    });
  }
});
