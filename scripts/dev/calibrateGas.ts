// Measures what src/gas/constants.ts holds for MockUSDC behind FiatProxy and for the router, on a chain in process:
// `hardhat run scripts/dev/calibrateGas.ts`. Prints the constants. Then prints how far a model with these constants is
// off in scenarios that were not used to find them.
import type { Hex } from "viem";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type PlannablePayment, type PlannedBatch, planBatches, tokenKey } from "../../src/batch/index.ts";
import { type GasModel, MAX_TRANSACTION_GAS, MOCK_USDC_GAS, ROUTER_GAS } from "../../src/gas/index.ts";
import { encodeSettle, type RouterItem } from "../../src/router/index.ts";
import { type LabTerms, openGasLab } from "../../test/helpers/gasLab.ts";

const RICH = 10n ** 12n;
const lab = await openGasLab(7);
/** The model without the constants to be found. */
const blank: GasModel = {
  token: { ...MOCK_USDC_GAS, firstUseGas: 0, transferGas: 0, directGas: 0, bytesOverloadGas: 0 },
  router: { ...ROUTER_GAS, baseGas: 0, compactItemGas: 0, wideItemGas: 0 },
};

/**
 * Signs until v is 27 + `parity`. The token's code takes about 20 gas more for 28, so scenarios alternate between the
 * two.
 */
async function signParity(parity: number, terms: LabTerms): Promise<SignedAuthorization> {
  for (;;) {
    const signed = await lab.sign(terms);
    if (signed.signature.endsWith(parity === 0 ? "1b" : "1c")) return signed;
  }
}

type Shape = {
  readonly count: number;
  readonly payers: number;
  readonly payees: number;
  readonly terms?: Partial<LabTerms>;
  readonly code?: boolean;
};

/** Makes payments whose payers and payees have a balance before and after. */
async function payments({ count, payers, payees, terms = {}, code }: Shape): Promise<PlannablePayment[]> {
  const made: PlannablePayment[] = [];
  for (let i = 0; i < count; i += 1) {
    const payee = lab.payee(i % payees);
    const signed = await signParity(i % 2, { payer: i % payers, payee, value: BigInt(1_000 + i), ...terms });
    if (i < payers) await lab.setBalance(lab.payer(i).address, RICH);
    if (i < payees) await lab.setBalance(payee, RICH);
    made.push({ ...signed, payerHasCode: code });
  }
  return made;
}

function plan(given: readonly PlannablePayment[], gasModel: GasModel): PlannedBatch {
  const rich = new Map(given.flatMap(({ from, to }) => [from, to]).map((account) => [account.toLowerCase(), RICH]));
  const { batches } = planBatches({
    payments: given,
    nowSeconds: 2_000_000_000n,
    routerAvailable: true,
    gasModel,
    balances: new Map([[tokenKey(lab.chainId, lab.token), rich]]),
    limits: { codePayerAllowance: 100_000n, codePayerAllowanceCeiling: 10_000_000n },
  });
  const [batch] = batches;
  if (batch === undefined || batches.length > 1) throw new Error("a scenario is one batch");
  return batch;
}

/** The gas used, and how much of it the model does not explain. */
async function excess(shape: Shape, gasModel: GasModel): Promise<{ used: number; excess: number }> {
  const batch = plan(await payments(shape), gasModel);
  // The model lacks constants, so its own gas limit would be too low.
  const receipt = await lab.sendBatch({ ...batch, gasLimit: MAX_TRANSACTION_GAS });
  if (receipt.logs.length < 2 * shape.count) throw new Error("an item failed");
  const { predictedGas: gas } = batch;
  // For payers that count as having code although they have none, the model gives an interval. Its low end plus 3,000
  // gas for each payment is the model without its unknown part.
  const predicted = gas.kind === "exact" ? Number(gas.gas) : Number(gas.low) + 3_000 * shape.count;
  return { used: Number(receipt.gasUsed), excess: Number(receipt.gasUsed) - predicted };
}

/** Gas that each item of a router call spends in the token, and around the token until the next item's call is done. */
async function trace(items: readonly RouterItem[]): Promise<{ inToken: number; around: number }[]> {
  const data = encodeSettle({ token: lab.token, batchId: lab.randomHex(32), gasAllowance: 100_000n, items });
  const { transactionHash } = await lab.send({ to: lab.router, data, gas: 16_000_000n });
  const { structLogs } = await lab.traceTransaction(transactionHash);
  const calls: { before: number; forwarded: number; left: number; after: number }[] = [];
  for (const [i, log] of structLogs.entries()) {
    const next = structLogs[i + 1];
    if (next === undefined) break;
    if (log.depth === 1 && next.depth === 2) calls.push({ before: log.gas, forwarded: next.gas, left: 0, after: 0 });
    const call = calls.at(-1);
    if (log.depth === 2 && next.depth === 1 && call !== undefined)
      Object.assign(call, { left: log.gas - log.gasCost, after: next.gas });
  }
  return calls.map(({ forwarded, left, after }, i) => {
    const inToken = forwarded - left;
    return { inToken, around: i === 0 ? 0 : (calls[i - 1]?.after ?? 0) - after - inToken };
  });
}

const compact = (authorization: SignedAuthorization): RouterItem => ({ form: "compact", authorization });
const signed = async (payer: number, payee: number, value: bigint) => {
  await lab.setBalance(lab.payer(payer).address, 1_000n);
  await lab.setBalance(lab.payee(payee), 1_000n);
  return signParity(0, { payer, payee: lab.payee(payee), value });
};

// The token: a call with everything warm, without its two dirty SSTOREs, and the rest of a lone transfer.
const repeated = await trace([
  compact(await signed(0, 0, 1n)),
  compact(await signed(0, 0, 1n)),
  compact(await signed(0, 0, 1n)),
]);
const odd = await trace([compact(await signParity(1, { payer: 0, payee: lab.payee(0), value: 1n }))]);
const even = await trace([compact(await signed(0, 0, 1n))]);
const lone = await excess({ count: 1, payers: 1, payees: 1 }, blank);
const firstUseGas = lone.excess - (repeated[2]!.inToken - 200);
const transferGas = Math.round(repeated[2]!.inToken - 200 + (odd[0]!.inToken - even[0]!.inToken) / 2);
const loneBytes = await excess({ count: 1, payers: 1, payees: 1, code: true }, blank);
const bytesOverloadGas = loneBytes.excess - lone.excess;

// The router: intercept and slope of the gas that the token does not explain.
const withToken: GasModel = { ...blank, token: { ...blank.token, firstUseGas, transferGas, bytesOverloadGas } };
const wideTerms = { validBefore: 2n ** 200n };
const [compact10, compact300] = [
  await excess({ count: 10, payers: 10, payees: 10 }, withToken),
  await excess({ count: 300, payers: 10, payees: 10 }, withToken),
];
const compactItemGas = Math.round((compact300.excess - compact10.excess) / 290);
const baseGas = Math.round(compact10.excess - 10 * compactItemGas);
const wide100 = await excess({ count: 100, payers: 10, payees: 10, terms: wideTerms }, withToken);
const wideItemGas = Math.round((wide100.excess - baseGas) / 100);

// Failing items: the failure that takes most gas is a balance that is too low, from a cold payer to a cold payee.
const drained = await trace([
  compact(await signed(0, 0, 1n)),
  compact(await signed(1, 1, 2_000n)),
  compact(await signed(0, 0, 1n)),
]);
const failedTransferGas = drained[1]!.inToken;
const failure = drained[2]!.around;
const failed = await trace([
  compact(await signed(0, 0, 1n)),
  compact(await signed(1, 1, 2_000n)),
  compact(await signed(2, 2, 2_000n)),
  compact(await signed(0, 0, 1n)),
]);
const failedItemGas = failed[2]!.around - repeated[2]!.around;
const longSignature = async (bytes: number) => {
  const wide = async (signature?: Hex): Promise<RouterItem> => {
    const authorization = await signed(0, 0, 1n);
    return {
      form: "wide",
      authorization: { ...authorization, signature: signature ?? authorization.signature },
      gasAllowance: 100_000n,
      overload: "bytes",
    };
  };
  return (await trace([await wide(), await wide(`0x${"11".repeat(bytes)}`), compact(await signed(0, 0, 1n))]))[1]!
    .around;
};
const signatureWordGas = Math.ceil(((await longSignature(8_192)) - (await longSignature(96))) / (256 - 3));

// The smallest allowance with which the worst transfer settles: the first of its transaction, from a cold payer to a
// payee whose balance is zero.
const worst = await signed(3, 3, 1_000n);
await lab.setBalance(lab.payee(3), 0n);
let [tooLow, enough] = [20_000n, 200_000n];
while (enough - tooLow > 1n) {
  const gasAllowance = (tooLow + enough) / 2n;
  const data = encodeSettle({ token: lab.token, batchId: lab.randomHex(32), gasAllowance, items: [compact(worst)] });
  const { data: answer = "0x" } = await lab.client.call({ to: lab.router, data, gas: 1_000_000n });
  // The last word of the answer is the bitmap. Its first bit says whether the item failed.
  if (answer.slice(-64).startsWith("01")) tooLow = gasAllowance;
  else enough = gasAllowance;
}

const token = {
  ...MOCK_USDC_GAS,
  firstUseGas,
  transferGas,
  // The first transfer of a batch and a lone one cost the same inside the mock.
  directGas: 0,
  bytesOverloadGas,
  failedTransferGas,
  minimumAllowance: ((enough * 11n) / 10n / 1_000n + 1n) * 1_000n,
};
const router = { baseGas, compactItemGas, wideItemGas, signatureWordGas, failedItemGas };
console.log("MOCK_USDC_GAS", token, "(the worst transfer takes", enough, "gas)");
console.log("ROUTER_GAS", router, { failure });

// What a failing item adds to a batch, calldata included; for reports.
async function failingItems(break_: (i: number) => Promise<SignedAuthorization>): Promise<number> {
  const good: RouterItem[] = [];
  const bad: RouterItem[] = [];
  for (let i = 0; i < 20; i += 1) bad.push(compact(await break_(i)));
  for (let i = 0; i < 20; i += 1) good.push(compact(await signed(i, 0, 1n)));
  const gasOf = async (items: RouterItem[]) => {
    const data = encodeSettle({ token: lab.token, batchId: lab.randomHex(32), gasAllowance: 100_000n, items });
    return Number((await lab.send({ to: lab.router, data, gas: 16_000_000n })).gasUsed);
  };
  const mixed = await gasOf([...good, ...bad]);
  const alone: RouterItem[] = [];
  for (let i = 0; i < 20; i += 1) alone.push(compact(await signed(i, 0, 1n)));
  return Math.round((mixed - (await gasOf(alone))) / 20);
}
const forged = async (i: number) => {
  const { signature, ...terms } = await lab.sign({ payer: 100 + i, payee: lab.payee(0), value: 1n });
  const other = await lab.sign({ payer: 200 + i, payee: lab.payee(0), value: 1n });
  return { ...terms, signature: other.signature };
};
const usedNonce = async (i: number) => {
  const once = await signed(300 + i, 0, 1n);
  const items = [compact(once)];
  const data = encodeSettle({ token: lab.token, batchId: lab.randomHex(32), gasAllowance: 100_000n, items });
  await lab.send({ to: lab.router, data, gas: 1_000_000n });
  return once;
};
console.log("FAILED_ITEM_GAS", {
  expired: await failingItems((i) => lab.sign({ payer: 100 + i, payee: lab.payee(0), value: 1n, validBefore: 1n })),
  nonceUsed: await failingItems(usedNonce),
  badSignature: await failingItems(forged),
  insufficientBalance: await failingItems((i) => lab.sign({ payer: 100 + i, payee: lab.payee(0), value: 1n })),
});

const fitted: GasModel = { token, router };
const scenarios: Shape[] = [
  { count: 1, payers: 1, payees: 1 },
  { count: 1, payers: 1, payees: 1, terms: wideTerms },
  { count: 2, payers: 1, payees: 1 },
  { count: 10, payers: 1, payees: 1 },
  { count: 10, payers: 10, payees: 10 },
  { count: 100, payers: 1, payees: 100 },
  { count: 100, payers: 100, payees: 1 },
  { count: 200, payers: 200, payees: 200 },
  { count: 20, payers: 20, payees: 1, terms: wideTerms },
  { count: 20, payers: 20, payees: 1, code: true },
];
for (const shape of scenarios) {
  const { used, excess: off } = await excess(shape, fitted);
  const kind = shape.code ? "bytes" : shape.terms ? "wide" : "compact";
  console.log(
    `${shape.count} items, ${shape.payers} → ${shape.payees}, ${kind}: ${used} gas, off ${off} (${((100 * off) / used).toFixed(3)} %)`,
  );
}
