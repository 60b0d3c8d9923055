// The planner alone: no node, no journal, no signatures. Each size in its own process.
import { z } from "zod";
import { runForJson } from "./lib/child.ts";
import { inU } from "./lib/machine.ts";
import { atMost, round, type Subject } from "./lib/results.ts";

const SIZES = [100_000, 1_000_000] as const;
const LARGEST = 1_000_000;
/** Time for the largest size, in u: once 10 s. */
const MOST_U = inU(10_000);

const answer = z.object({
  seconds: z.number(),
  walkSeconds: z.number(),
  batches: z.number(),
  gasPerPayment: z.number(),
  inputMiB: z.number(),
  mostMiB: z.number(),
});

export const planner: Subject = {
  name: "planner",
  title: "Planner",
  run: async ({ seed, tell, machine }) => {
    const runs = [];
    for (const count of SIZES) {
      tell(`${count} payments`);
      runs.push({ count, ...answer.parse(await runForJson("planner.ts", [count, seed])) });
    }
    const figures = Object.fromEntries(
      runs.flatMap(({ count, seconds, mostMiB }) => [
        [`planner seconds ${count}`, round(seconds)],
        [`planner MiB ${count}`, Math.round(mostMiB)],
      ]),
    );
    const largest = runs.find(({ count }) => count === LARGEST);
    return {
      figures,
      bars: [
        atMost(
          "planner: 1,000,000 authorizations planned",
          ((largest?.seconds ?? Number.NaN) * 1_000) / machine.uMs,
          MOST_U,
          "u",
        ),
        atMost("planner: memory of 1,000,000 authorizations", largest?.mostMiB ?? Number.NaN, 1_024, "MiB"),
      ],
      tables: [
        {
          title: "Planning alone",
          columns: [
            "payments",
            "seconds",
            "payments a second",
            "batches",
            "gas of a payment",
            "memory of the input, MiB",
            "most memory, MiB",
          ],
          rows: runs.map(({ count, seconds, batches, gasPerPayment, inputMiB, mostMiB }) => [
            count,
            round(seconds),
            Math.round(count / seconds),
            batches,
            Math.round(gasPerPayment),
            Math.round(inputMiB),
            Math.round(mostMiB),
          ]),
          note:
            "A tenth as many payers and a hundredth as many payees as payments, all balances known, deadlines over an hour. The " +
            "peers plan nothing. Memory is that of the whole process, the payments in it included.",
        },
      ],
      charts: [
        {
          file: "planner",
          title: "Time to plan",
          kind: "line",
          x: { name: "payments" },
          y: { name: "seconds", log: true },
          series: [{ name: "planBatches", points: runs.map(({ count, seconds }) => [String(count), round(seconds)]) }],
          floor: {
            name: "looking at each payment once",
            points: runs.map(({ count, walkSeconds }) => [String(count), round(walkSeconds)]),
          },
        },
      ],
    };
  },
};
