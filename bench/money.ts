// What the gas and the data of a payment cost in dollars. Nothing is measured here: it follows from those two subjects.
import { round, type Subject } from "./lib/results.ts";
import { FLOOR_GAS, WAY } from "./lib/ways.ts";

const ETHER_USD = 3_000;
const GAS_PRICES_GWEI = [0.005, 0.05] as const;
const AMOUNTS_USD = [0.0001, 0.001, 0.01, 0.05] as const;
/** A full batch, on a quiet day on L1. */
const COUNT = 300;
const LEVEL = "usual";
const WAYS = [WAY.single, WAY.multicall, WAY.tributary] as const;

export const money: Subject = {
  name: "money",
  title: "Money",
  needs: ["gas", "dataFee"],
  run: async ({ figures: before }) => {
    const figures: Record<string, number> = {};
    /** What one payment costs in USD. */
    const cost = (way: string, gwei: number): number => {
      const gas = way === FLOOR ? FLOOR_GAS.manyToOne : (before[`gas manyToOne ${COUNT} ${way}`] ?? Number.NaN);
      const dataGwei = way === FLOOR ? 0 : dataFeeOf(way, before);
      return ((gas * gwei + dataGwei) / 1e9) * ETHER_USD;
    };
    const rows = GAS_PRICES_GWEI.flatMap((gwei) =>
      WAYS.map((way) => {
        const usd = cost(way, gwei);
        figures[`usd per payment ${gwei} ${way}`] = round(usd);
        const shares = AMOUNTS_USD.map((amount) => `${round((usd / amount) * 100)} %`);
        return [gwei, way, round(usd), ...shares, round(usd)];
      }),
    );
    return {
      figures,
      bars: [],
      tables: [
        {
          title: "Cost of a payment, and its share of the payment",
          columns: [
            "gas price, gwei",
            "way",
            "USD a payment",
            ...AMOUNTS_USD.map((amount) => `of $${amount}`),
            "breaks even at, USD",
          ],
          rows,
          note:
            `With Circle's token, N payers → 1 payee, ${COUNT} to a transaction, ether at ${ETHER_USD} USD, the "${LEVEL}" data ` +
            "fee included. A payment below the last column costs more than it moves.",
        },
      ],
      charts: GAS_PRICES_GWEI.map((gwei) => ({
        file: `money-${gwei}`,
        title: `Cost as a share of the payment at ${gwei} gwei`,
        kind: "line",
        x: { name: "payment, USD" },
        y: { name: "cost, % of the payment", log: true },
        series: WAYS.map((way) => ({
          name: way,
          points: AMOUNTS_USD.map((amount) => [`$${amount}`, round((cost(way, gwei) / amount) * 100)] as const),
        })),
        floor: {
          name: "physical floor, execution alone",
          points: AMOUNTS_USD.map((amount) => [`$${amount}`, round((cost(FLOOR, gwei) / amount) * 100)] as const),
        },
      })),
    };
  },
};

const FLOOR = "floor";

/** The data fee of a payment, in gwei. */
function dataFeeOf(way: string, figures: Readonly<Record<string, number>>): number {
  const count = way === WAY.single ? 1 : COUNT;
  return figures[`data fee ${LEVEL} ${count} ${way}`] ?? Number.NaN;
}
