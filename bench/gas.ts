// Gas and calldata of a payment by the number of payments that share a transaction, on a chain in process under Osaka rules.
// Everybody has and keeps a balance; every transaction starts from the same state.
import type { SignedAuthorization } from "../src/authorization/types.ts";
import type { RouterItem } from "../src/router/index.ts";
import type { Chart } from "./lib/charts.ts";
import { measureFailures } from "./lib/failures.ts";
import { type GasLab, openGasLab } from "./lib/gasLab.ts";
import { openMint } from "./lib/payments.ts";
import { atMost, type Bar, round, type Subject, type Table } from "./lib/results.ts";
import { FLOOR_CALLDATA_BYTES, FLOOR_GAS, REAL_TOKEN_GAS, WAY, withRealToken } from "./lib/ways.ts";

const SIZES = [1, 10, 50, 100, 200, 300] as const;
const MOST = 300;
/** Enough for a mean, because gas differs only by the zero bytes of a signature. */
const SINGLES = 10;

const SHAPES = [
  { name: "N payers → 1 payee", key: "manyToOne", file: "gas", payers: MOST, payees: 1 },
  { name: "1 payer → 1 payee", key: "oneToOne", file: "gas-1-to-1", payers: 1, payees: 1 },
  { name: "N payers → N payees", key: "manyToMany", file: "gas-n-to-n", payers: MOST, payees: MOST },
] as const;

/** What one way uses for N payments, per payment: as measured, and as it would be with Circle's token. */
type Cost = { readonly gas: number; readonly realGas: number; readonly bytes: number; readonly ownGas: number };
type Row = { readonly count: number; readonly ways: ReadonlyMap<string, Cost>; readonly predictionOff: number };

const WIDE = `${WAY.tributary}, wide form`;

export const gas: Subject = {
  name: "gas",
  title: "Gas and calldata",
  run: async ({ seed, tell }) => {
    const lab = await openGasLab(seed);
    try {
      const mint = openMint(seed, "gas");
      await lab.fund(mint.parties({ count: MOST, payers: MOST, payees: MOST }));
      const tables: Table[] = [];
      const charts: Chart[] = [];
      const bars: Bar[] = [];
      const figures: Record<string, number> = {};
      const calldata: Chart["series"][number][] = [];
      for (const shape of SHAPES) {
        tell(shape.name);
        const payments = mint.payments({ count: MOST, payers: shape.payers, payees: shape.payees });
        const rows: Row[] = [];
        for (const count of SIZES) rows.push(await measure(lab, payments.slice(0, count)));
        tables.push(tableOf(shape.name, rows));
        charts.push(chartOf(shape, rows));
        if (shape.key === "manyToOne") calldata.push(...seriesOf(rows, ({ bytes }) => bytes));
        for (const { count, ways, predictionOff } of rows) {
          for (const [way, cost] of ways) {
            figures[`gas ${shape.key} ${count} ${way}`] = round(cost.realGas);
            figures[`calldata ${shape.key} ${count} ${way}`] = round(cost.bytes);
          }
          figures[`prediction off ${shape.key} ${count}`] = predictionOff;
        }
        const worst = Math.max(...rows.map((row) => row.predictionOff));
        bars.push(atMost(`gas predicted, ${shape.name}, balances known: largest error`, worst * 100, 0.5, "%"));
        if (shape.key === "manyToOne") bars.push(...ratioBars(rows, figures));
      }
      tables.push(slopeTable(figures));
      tell("items that fail");
      const failures = await measureFailures(lab, mint);
      tables.push(failures.table);
      charts.push({
        file: "calldata",
        title: "Calldata of a payment, N payers → 1 payee",
        kind: "line",
        x: { name: "payments in a transaction" },
        y: { name: "bytes" },
        series: calldata,
        floor: { name: "floor", points: SIZES.map((count) => [String(count), FLOOR_CALLDATA_BYTES]) },
      });
      return { tables, charts, bars, figures: { ...figures, ...failures.figures } };
    } finally {
      await lab.chain.stop();
    }
  },
};

async function measure(lab: GasLab, payments: readonly SignedAuthorization[]): Promise<Row> {
  const count = payments.length;
  const singles = payments.slice(0, SINGLES);
  const costs = new Map<string, Cost>();
  const note = (way: string, used: Awaited<ReturnType<GasLab["send"]>>, of: number, transactions: number) => {
    if (used.settled !== of) throw new Error(`${way}: ${used.settled} of ${of} payments settled`);
    costs.set(way, {
      gas: used.gas / of,
      realGas: withRealToken(used.gas, of, transactions) / of,
      bytes: used.calldataBytes / of,
      ownGas: (used.gas - used.tokenGas) / of,
    });
  };
  note(WAY.single, await lab.send(singles.map(lab.single)), singles.length, singles.length);
  note(WAY.multicall, await lab.send([lab.multicall(payments)]), count, 1);
  const wide = payments.map((authorization): RouterItem => {
    return { form: "wide", authorization, overload: "vrs", gasAllowance: 100_000n };
  });
  note(WIDE, await lab.send([lab.router(wide)]), count, 1);
  const { batches } = lab.plan(payments);
  const used = await lab.send(batches.map(lab.callOf));
  note(WAY.tributary, used, count, batches.length);
  const predicted = batches.reduce((sum, { predictedGas }) => {
    if (predictedGas.kind !== "exact") throw new Error("a prediction must be exact if all balances are known");
    return sum + Number(predictedGas.gas);
  }, 0);
  return { count, ways: costs, predictionOff: round(Math.abs(predicted - used.gas) / used.gas) };
}

function tableOf(name: string, rows: readonly Row[]): Table {
  return {
    title: `${name}: gas and calldata of a payment`,
    columns: ["payments", "way", "gas", "gas with Circle's token", "of which not the token's", "calldata bytes"],
    rows: rows.flatMap(({ count, ways }) =>
      [...ways].map(([way, cost]) => [
        count,
        way,
        Math.round(cost.gas),
        Math.round(cost.realGas),
        Math.round(cost.ownGas),
        Math.round(cost.bytes),
      ]),
    ),
    note:
      "Measured with MockUSDC. What is not the token's is the transaction's own 21,000, its calldata, and the contract " +
      "around the token's calls. The planner sends a lone payment to the token itself.",
  };
}

/** What one more payment costs between 100 and 300 payments, which is what a payment costs in a large batch. */
function slopeTable(figures: Record<string, number>): Table {
  const ways = [WAY.multicall, WIDE, WAY.tributary];
  const at = (key: string, count: number, way: string) => (figures[`gas ${key} ${count} ${way}`] ?? Number.NaN) * count;
  return {
    title: "Gas of one more payment, with Circle's token",
    columns: ["shape", "way", "gas", "above the floor"],
    rows: SHAPES.flatMap(({ name, key }) =>
      ways.map((way) => {
        const slope = (at(key, 300, way) - at(key, 100, way)) / 200;
        figures[`slope ${key} ${way}`] = Math.round(slope);
        return [name, way, Math.round(slope), Math.round(slope - FLOOR_GAS[key])];
      }),
    ),
    note: `Between 100 and 300 payments. The floors are ${FLOOR_GAS.manyToOne}, ${FLOOR_GAS.oneToOne} and ${FLOOR_GAS.manyToMany}.`,
  };
}

/** Gas per payment against one per transaction, N → 1, with the real token's own part. */
function ratioBars(rows: readonly Row[], figures: Record<string, number>): Bar[] {
  return rows.map(({ count, ways }) => {
    const ratio = (ways.get(WAY.tributary)?.realGas ?? Number.NaN) / (ways.get(WAY.single)?.realGas ?? Number.NaN);
    figures[`ratio ${count}`] = round(ratio);
    const limit = count >= 100 ? 0.56 : count >= 50 ? 0.57 : 1;
    const name = `gas per payment against one per transaction, N → 1, ${count} payments`;
    return atMost(name, ratio, limit, `of it (token's own part ${REAL_TOKEN_GAS})`);
  });
}

function seriesOf(rows: readonly Row[], read: (cost: Cost) => number): Chart["series"] {
  return [WAY.single, WAY.multicall, WIDE, WAY.tributary].map((way) => ({
    name: way,
    points: rows.flatMap(({ count, ways }) => {
      const cost = ways.get(way);
      return cost === undefined ? [] : [[String(count), Math.round(read(cost))] as const];
    }),
  }));
}

function chartOf({ name, key, file }: (typeof SHAPES)[number], rows: readonly Row[]): Chart {
  return {
    file,
    title: `Gas of a payment, ${name}`,
    kind: "line",
    x: { name: "payments in a transaction" },
    y: { name: "gas per payment, with Circle's token", min: 30_000 },
    series: seriesOf(rows, ({ realGas }) => realGas),
    floor: { name: "physical floor", points: SIZES.map((count) => [String(count), FLOOR_GAS[key]]) },
  };
}
