import { expect } from "chai";
import { type Address, decodeEventLog, getAddress } from "viem";
import {
  type Balances,
  type PlannablePayment,
  type PlannedBatch,
  planBatches,
  tokenKey,
} from "../../../src/batch/index.ts";
import { settlementRouterArtifact } from "../../../src/contracts/SettlementRouter.ts";
import { MOCK_USDC_GAS, ROUTER_GAS } from "../../../src/gas/index.ts";
import { type GasLab, openGasLab } from "../../helpers/gasLab.ts";

const NOW = 2_000_000_000n;
const MODEL = { token: MOCK_USDC_GAS, router: ROUTER_GAS };
/** The share of the gas used by which a prediction may be off: 0.5 %. */
const TOLERANCE = 0.005;

describe("predicted gas", () => {
  let lab: GasLab;

  before(async () => {
    lab = await openGasLab(2024);
  });

  it("settles random batches within 0.5 % of the prediction and within the interval without balances", async () => {
    for (let round = 0; round < 12; round += 1) {
      const { payments, balances } = await randomPayments(lab, round);
      const input = { payments, nowSeconds: NOW, routerAvailable: true, gasModel: MODEL };
      const plan = planBatches({ ...input, balances, sender: lab.wallet.account.address });
      // The same batches without balances: no budget matters, since every payer can pay.
      const blind = planBatches({ ...input, balances: undefined });
      expect(plan.batches, `round ${round}`).to.have.lengthOf(1);
      expect(blind.batches, `round ${round}`).to.have.lengthOf(1);
      const [batch] = plan.batches;
      const used = await settle(batch!);
      expectExact(batch!, used, `round ${round}`);
      expectInside(blind.batches[0]!, used, `round ${round}`);
    }
  });

  it("settles several batches in turn, each predicted as if those before it had settled", async () => {
    const balances = new Map<string, bigint>();
    const payments: PlannablePayment[] = [];
    // Eight payers, each drained by the last of its payments; payees from zero, in several batches each.
    for (let i = 0; i < 40; i += 1) {
      const payee = getAddress(lab.payee(70_000 + (i % 5)));
      payments.push(
        await lab.sign({ payer: 70_000 + (i % 8), payee, value: 10n, validBefore: NOW + 100n + BigInt(i) }),
      );
      balances.set(payee.toLowerCase(), 0n);
      balances.set(lab.payer(70_000 + (i % 8)).address.toLowerCase(), 50n);
    }
    await setBalances(lab, balances);
    await lab.networkHelpers.time.increaseTo(NOW);
    const plan = planBatches({
      payments,
      nowSeconds: NOW + 10n,
      routerAvailable: true,
      gasModel: MODEL,
      balances: new Map([[tokenKey(lab.chainId, lab.token), balances]]),
      limits: { maxItems: 7 },
    });
    expect(plan.batches.map(({ items }) => items.length)).to.deep.equal([7, 7, 7, 7, 7, 5]);
    for (const [at, batch] of plan.batches.entries()) expectExact(batch, await settle(batch), `batch ${at}`);
  });

  for (const { name, from, to } of [
    { name: "a payee that has a balance", from: 1_000n, to: 5n },
    { name: "a payee from zero", from: 1_000n, to: 0n },
    { name: "a payer drained to zero", from: 100n, to: 5n },
    { name: "a payer drained to zero and a payee from zero", from: 100n, to: 0n },
  ]) {
    it(`settles a direct transfer within 0.5 %: ${name}`, async () => {
      const payee = lab.payee(Number(from * 10n + to));
      const payer = Number(from * 10n + to);
      const payment = await lab.sign({ payer, payee, value: 100n });
      const balances = new Map([
        [payment.from.toLowerCase(), from],
        [payee.toLowerCase(), to],
      ]);
      await setBalances(lab, balances);
      const ofToken: Balances = new Map([[tokenKey(lab.chainId, lab.token), balances]]);
      const input = { payments: [payment], nowSeconds: NOW, gasModel: MODEL };
      const [batch] = planBatches({ ...input, routerAvailable: true, balances: ofToken }).batches;
      const [blind] = planBatches({ ...input, routerAvailable: false }).batches;
      expect(batch?.kind).to.equal("direct");
      const used = await settle(batch!);
      expectExact(batch!, used, name);
      expectInside(blind!, used, name);
    });
  }

  it("refunds no more than a fifth when a whole batch of payers is drained", async () => {
    const { payments, balances } = await drainedPayers(lab, 60);
    const [batch] = planBatches({
      payments,
      nowSeconds: NOW,
      routerAvailable: true,
      gasModel: MODEL,
      balances,
    }).batches;
    expectExact(batch!, await settle(batch!), "drained");
  });

  it("counts a payer who is the sender as warm", async () => {
    const payments: PlannablePayment[] = [];
    for (let i = 0; i < 2; i += 1)
      payments.push(await lab.sign({ payer: 81_000, payee: lab.payee(81_000), value: 1n }));
    const sender = lab.payer(81_000).address;
    const gasOf = (given: Address | undefined) => {
      const input = { payments, nowSeconds: NOW, routerAvailable: true, gasModel: MODEL, sender: given };
      const balances = new Map([
        [sender.toLowerCase(), 9n],
        [payments[0]!.to.toLowerCase(), 9n],
      ]);
      const [batch] = planBatches({
        ...input,
        balances: new Map([[tokenKey(lab.chainId, lab.token), balances]]),
      }).batches;
      return batch!.predictedGas.kind === "exact" ? batch!.predictedGas.gas : 0n;
    };
    expect(gasOf(undefined) - gasOf(sender)).to.equal(2_500n);
  });

  it("asks for so little gas that the router would stop with 2 % less, and for enough to reach the last item", async () => {
    const { payments, balances } = await drainedPayers(lab, 30);
    const [batch] = planBatches({
      payments,
      nowSeconds: NOW,
      routerAvailable: true,
      gasModel: MODEL,
      balances,
    }).batches;
    const short = await lab.sendBatch({ ...batch!, gasLimit: (batch!.gasLimit * 98n) / 100n });
    const settled = short.logs.length;
    const again = planBatches({ payments, nowSeconds: NOW, routerAvailable: true, gasModel: MODEL, balances })
      .batches[0];
    expect(settled, "stopped early").to.be.lessThan(2 * payments.length + 1);
    expect(again?.gasLimit).to.equal(batch?.gasLimit);
  });

  it("attempts every item even if payers are drained between the plan and the block", async () => {
    const payments: PlannablePayment[] = [];
    for (let i = 0; i < 100; i += 1) {
      const terms = { payer: 95_000 + (i % 5), payee: lab.payee(95_000 + (i % 7)), value: BigInt(1_000 - i) };
      payments.push(await lab.sign({ ...terms, validBefore: NOW + 100_000n }));
    }
    for (const { from, to } of payments)
      await setBalances(
        lab,
        new Map([
          [from, 10n ** 9n],
          [to, 1n],
        ]),
      );
    const [batch] = planBatches({ payments, nowSeconds: NOW, routerAvailable: true, gasModel: MODEL }).batches;
    const [first] = batch!.items;
    for (const { from } of payments.slice(0, 5)) {
      if (from !== first!.authorization.from) await lab.setBalance(from, 0n);
    }
    const receipt = await lab.sendBatch(batch!);
    const summary = decodeEventLog({ abi: settlementRouterArtifact.abi, ...receipt.logs.at(-1)! });
    expect(summary.args).to.deep.include({ attempted: 100n, failed: 80n });
  });

  async function settle(batch: PlannedBatch): Promise<number> {
    const receipt = await lab.sendBatch(batch);
    // Two events of the token for each item, and one of the router.
    expect(receipt.logs).to.have.lengthOf(2 * batch.items.length + (batch.kind === "router" ? 1 : 0));
    return Number(receipt.gasUsed);
  }
});

/** From 2 to 200 payments, payers and payees shared or not, payees at zero, payers drained, one form or both. */
async function randomPayments(lab: GasLab, round: number) {
  const { random } = lab;
  const count = 2 + random(round % 3 === 0 ? 199 : 40);
  const payers = 1 + random(count);
  const payees = 1 + random(count);
  const base = 1_000 * (round + 1);
  const wideShare = random(3) === 0 ? 4 : 0;
  const balances = new Map<string, bigint>();
  const payments: PlannablePayment[] = [];
  for (let i = 0; i < count; i += 1) {
    const payer = base + random(payers);
    // Sometimes a payee is one of the payers.
    const payee = random(10) === 0 ? lab.payer(base + random(payers)).address : lab.payee(base + random(payees));
    const value = BigInt(1 + random(100_000));
    const wide = random(10) < wideShare;
    payments.push(await lab.sign({ payer, payee, value, validBefore: wide ? 2n ** 255n : NOW * 2n }));
    const from = lab.payer(payer).address.toLowerCase();
    balances.set(from, (balances.get(from) ?? 0n) + value);
    if (!balances.has(payee.toLowerCase())) balances.set(payee.toLowerCase(), 0n);
  }
  // Two thirds of all accounts have more than they need: the others start or end at zero.
  for (const [account, value] of balances) if (random(3) > 0) balances.set(account, value + BigInt(1 + random(1_000)));
  await setBalances(lab, balances);
  return { payments, balances: new Map([[tokenKey(lab.chainId, lab.token), balances]]) };
}

async function drainedPayers(lab: GasLab, count: number) {
  const balances = new Map<string, bigint>();
  const payments: PlannablePayment[] = [];
  for (let i = 0; i < count; i += 1) {
    const payment = await lab.sign({ payer: 90_000 + count * 100 + i, payee: lab.payee(90_000), value: 7n });
    payments.push(payment);
    balances.set(payment.from.toLowerCase(), 7n);
  }
  balances.set(lab.payee(90_000).toLowerCase(), 1n);
  await setBalances(lab, balances);
  return { payments, balances: new Map([[tokenKey(lab.chainId, lab.token), balances]]) };
}

async function setBalances(lab: GasLab, balances: ReadonlyMap<string, bigint>): Promise<void> {
  for (const [account, value] of balances) await lab.setBalance(getAddress(account), value);
}

function expectExact({ predictedGas }: PlannedBatch, used: number, what: string): void {
  if (predictedGas.kind !== "exact") throw new Error(`${what}: the prediction is an interval`);
  expect(Number(predictedGas.gas), `${what}: used ${used}`).to.be.closeTo(used, used * TOLERANCE);
}

function expectInside({ predictedGas }: PlannedBatch, used: number, what: string): void {
  if (predictedGas.kind !== "interval") throw new Error(`${what}: the prediction is exact`);
  // The constants of the model have errors too.
  expect(Number(predictedGas.low), what).to.be.at.most(used * (1 + TOLERANCE));
  expect(Number(predictedGas.high), what).to.be.at.least(used * (1 - TOLERANCE));
}
