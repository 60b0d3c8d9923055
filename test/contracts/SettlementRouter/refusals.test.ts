import { expect } from "chai";
import { network } from "hardhat";
import type { PrivateKeyAccount } from "viem/accounts";
import type { SignedAuthorization } from "../../../src/authorization/types.ts";
import { readBatchOutcomes } from "../../../src/router/outcome.ts";
import type { RefusalReason } from "../../../src/router/reason.ts";
import {
  BATCH_ID,
  compact,
  deployRouter,
  failedIndices,
  testAccount,
  testAddress,
  wide,
} from "../../helpers/router.ts";
import { signCancel } from "../../helpers/usdc.ts";

describe("SettlementRouter.settle with items that the token refuses", () => {
  const payer = testAccount("refused payer");
  const [before, after] = [testAccount("payer before"), testAccount("payer after")];
  const payee = testAddress("refusals payee");
  const START = 1000n;

  let connection: Awaited<ReturnType<typeof network.create>>;
  let f: Awaited<ReturnType<typeof fixture>>;

  async function fixture() {
    const f = await deployRouter(connection.viem);
    await f.fund([payer.address, before.address, after.address], START);
    return f;
  }

  beforeEach(async () => {
    connection ??= await network.create();
    f = await connection.networkHelpers.loadFixture(fixture);
  });

  /** Settles the item between two good ones, in every form, and expects it to fail alone with this reason. */
  async function expectRefused(bad: SignedAuthorization, reason: RefusalReason, message: string) {
    for (const form of [
      compact,
      (a: SignedAuthorization) => wide(a, "vrs"),
      (a: SignedAuthorization) => wide(a, "bytes"),
    ]) {
      const state = await connection.networkHelpers.takeSnapshot();
      const [first, last] = await Promise.all([f.pay(before, payee, 3n), f.pay(after, payee, 4n)]);
      const items = [compact(first), form(bad), compact(last)];
      const usedBefore = await f.usdc.read.authorizationState([bad.from, bad.nonce]);
      const balanceBefore = await f.usdc.read.balanceOf([bad.from]);
      const receivedBefore = await f.usdc.read.balanceOf([payee]);

      const { attempted, failures } = await f.preflight(items);
      const { receipt } = await f.settle(items);
      const authorizations = items.map(({ authorization }) => authorization);
      const outcomes = readBatchOutcomes(receipt, { router: f.router.address, batchId: BATCH_ID, authorizations });

      expect(failedIndices(failures, attempted)).to.deep.equal([1]);
      expect(outcomes.map(({ status }) => status)).to.deep.equal(["settled", "failed", "settled"]);
      const failed = outcomes[1];
      expect(failed?.status === "failed" && failed.refusal).to.include({ reason, message });
      const event = f.routerEvents(receipt.logs)[0];
      expect(event?.eventName).to.equal("AuthorizationFailed");
      expect(event?.args).to.include({ index: 1n, payer: bad.from, nonce: bad.nonce });

      expect(await f.usdc.read.authorizationState([bad.from, bad.nonce])).to.equal(usedBefore);
      expect(await f.usdc.read.balanceOf([bad.from])).to.equal(balanceBefore);
      expect(await f.usdc.read.balanceOf([payee])).to.equal(receivedBefore + 7n);
      await state.restore();
    }
  }

  const pay = (terms: Parameters<typeof f.pay>[3] = {}, value = 5n, by: PrivateKeyAccount = payer) =>
    f.pay(by, payee, value, terms);

  it("fails an expired one alone, from validBefore on", async () => {
    const now = BigInt(await connection.networkHelpers.time.latest());
    await expectRefused(await pay({ validBefore: now }), "expired", "FiatTokenV2: authorization is expired");
  });

  it("fails one whose validBefore is the very second of the block", async () => {
    const now = BigInt(await connection.networkHelpers.time.latest());
    const bad = await pay({ validBefore: now + 10n });
    const items = [compact(await f.pay(before, payee, 3n)), compact(bad)];
    await connection.networkHelpers.time.setNextBlockTimestamp(now + 10n);
    const { receipt } = await f.settle(items);
    expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 2n, failed: 1n });
  });

  it("fails one that is not yet valid, at validAfter still", async () => {
    const far = BigInt(await connection.networkHelpers.time.latest()) + 1_000_000n;
    await expectRefused(await pay({ validAfter: far }), "not-yet-valid", "FiatTokenV2: authorization is not yet valid");

    const now = BigInt(await connection.networkHelpers.time.latest());
    const early = await pay({ validAfter: now + 10n });
    await connection.networkHelpers.time.setNextBlockTimestamp(now + 10n);
    const { receipt } = await f.settle([compact(early)]);
    expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 1n, failed: 1n });
    // A second later it is valid.
    await connection.networkHelpers.time.setNextBlockTimestamp(now + 11n);
    const again = await f.settle([compact(early)]);
    expect(f.routerEvents(again.receipt.logs).at(-1)?.args).to.include({ attempted: 1n, failed: 0n });
  });

  it("fails one whose nonce is used", async () => {
    const used = await pay();
    await f.settle([compact(used)]);
    await expectRefused(used, "already-used", "FiatTokenV2: authorization is used or canceled");
  });

  it("fails one whose nonce is cancelled", async () => {
    const bad = await pay();
    const { v, r, s } = await signCancel(payer, bad);
    await f.usdc.write.cancelAuthorization([bad.from, bad.nonce, v, r, s]);
    await expectRefused(bad, "already-used", "FiatTokenV2: authorization is used or canceled");
  });

  it("settles only the first of two with one nonce, whatever their terms", async () => {
    const [one, variant] = [await pay({}, 5n), await pay({}, 6n)];
    expect(one.nonce).to.equal(variant.nonce);
    const items = [compact(one), compact(variant), wide(one, "bytes")];
    const { receipt } = await f.settle(items);
    expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 3n, failed: 2n });
    expect(await f.usdc.read.balanceOf([payee])).to.equal(5n);
  });

  it("fails one that somebody else signed", async () => {
    await expectRefused(
      await pay({ from: payer.address }, 5n, after),
      "bad-signature",
      "FiatTokenV2: invalid signature",
    );
  });

  it("fails one whose terms were changed after it was signed", async () => {
    const bad = { ...(await pay()), value: 6n };
    await expectRefused(bad, "bad-signature", "FiatTokenV2: invalid signature");
  });

  it("fails one whose signature recovers to nobody", async () => {
    const bad = { ...(await pay()), signature: `0x${"00".repeat(64)}1b` as const };
    await expectRefused(bad, "bad-signature", "ECRecover: invalid signature");
  });

  it("fails one whose signature has the higher s", async () => {
    const signed = await pay();
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = order - BigInt(`0x${signed.signature.slice(66, 130)}`);
    const v = signed.signature.endsWith("1b") ? "1c" : "1b";
    const signature = `0x${signed.signature.slice(2, 66)}${s.toString(16).padStart(64, "0")}${v}` as const;
    await expectRefused({ ...signed, signature }, "bad-signature", "ECRecover: invalid signature 's' value");
  });

  it("fails one with an invalid v, which only the wide form carries", async () => {
    const signed = await pay();
    const bad = { ...signed, signature: `${signed.signature.slice(0, -2)}1d` as `0x${string}` };
    const { receipt } = await f.settle([wide(bad, "vrs"), wide(bad, "bytes")]);
    expect(f.routerEvents(receipt.logs).at(-1)?.args).to.include({ attempted: 2n, failed: 2n });
  });

  it("fails one whose payer has too little, by one unit", async () => {
    await expectRefused(await pay({}, START + 1n), "underfunded", "ERC20: transfer amount exceeds balance");
  });

  it("settles a payer's payments as long as the balance lasts", async () => {
    const items = await Promise.all([600n, 500n, 400n, 1n].map((v) => pay({ label: `${v}` }, v)));
    const { attempted, failures } = await f.preflight(items.map(compact));
    expect(failedIndices(failures, attempted)).to.deep.equal([1, 3]);
    await f.settle(items.map(compact));
    expect(await f.usdc.read.balanceOf([payer.address])).to.equal(0n);
    expect(await f.usdc.read.balanceOf([payee])).to.equal(1000n);
  });

  it("fails one of a blocked payer", async () => {
    await f.blacklist(payer.address);
    await expectRefused(await pay(), "blocked", "Blacklistable: account is blacklisted");
  });

  it("fails one to a blocked payee", async () => {
    const blocked = testAddress("blocked payee");
    await f.blacklist(blocked);
    await expectRefused(await f.pay(payer, blocked, 5n), "blocked", "Blacklistable: account is blacklisted");
  });

  it("fails all while the token is paused", async () => {
    await f.pause();
    const items = [compact(await pay()), wide(await f.pay(before, payee, 3n), "bytes")];
    const authorizations = items.map(({ authorization }) => authorization);
    const { receipt } = await f.settle(items);
    const outcomes = readBatchOutcomes(receipt, { router: f.router.address, batchId: BATCH_ID, authorizations });
    for (const outcome of outcomes) {
      expect(outcome.status === "failed" && outcome.refusal).to.include({
        reason: "token-paused",
        message: "Pausable: paused",
      });
    }
    expect(await f.usdc.read.balanceOf([payee])).to.equal(0n);
  });

  it("fails one whose allowance is too small, without a reason", async () => {
    const items = [compact(await f.pay(before, payee, 3n)), wide(await pay(), "vrs", 20_000n)];
    const authorizations = items.map(({ authorization }) => authorization);
    const { receipt } = await f.settle(items);
    const outcomes = readBatchOutcomes(receipt, { router: f.router.address, batchId: BATCH_ID, authorizations });
    expect(outcomes.map(({ status }) => status)).to.deep.equal(["settled", "failed"]);
    expect(outcomes[1]?.status === "failed" && outcomes[1].refusal).to.include({ reason: "gas-capped", data: "0x" });
  });
});
