// Verifications by /verify, of payments by new payers, against a chain in another process.

import { FACILITATORS, type FacilitatorKind, startFacilitator } from "./lib/facilitators.ts";
import { bodiesOf, commonestReason, flatOut, percentile, type Sample, successesOf } from "./lib/load.ts";
import { openMint, soon } from "./lib/payments.ts";
import type { Usage } from "./lib/processes.ts";
import { startRemoteChain } from "./lib/remoteChain.ts";
import { atLeast, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";

const COUNT = { quick: 1_000, full: 3_000 };
const CALLERS = 32;
/** Verified before the clock starts: the first ones compile code. */
const WARM_UP = 200;

type Run = {
  readonly kind: FacilitatorKind;
  readonly samples: readonly Sample[];
  readonly seconds: number;
  readonly usage: Usage;
};

export const verification: Subject = {
  name: "verification",
  title: "Verification",
  run: async ({ full, seed, tell, machine }) => {
    const count = full ? COUNT.full : COUNT.quick;
    const chain = await startRemoteChain(2);
    try {
      const mint = openMint(seed, "verification", { validBefore: soon() });
      const shape = { count: count + WARM_UP, payers: count + WARM_UP, payees: 1 };
      await setBalances(chain.request, mint.parties(shape), 10n ** 12n);
      const payments = mint.payments(shape);
      const bodies = bodiesOf(payments);
      const runs: Run[] = [];
      for (const kind of FACILITATORS) {
        // A verification does not use the nonceManager.
        if (kind === "official, nonceManager") continue;
        tell(kind);
        const running = await startFacilitator(chain, kind);
        try {
          await flatOut(`${running.url}/verify`, bodies.slice(0, WARM_UP), CALLERS);
          await running.begin();
          const startedAt = performance.now();
          const samples = await flatOut(`${running.url}/verify`, bodies.slice(WARM_UP), CALLERS);
          const seconds = (performance.now() - startedAt) / 1000;
          runs.push({ kind, samples, seconds, usage: await running.usage() });
        } finally {
          await running.stop();
        }
      }
      const rate = (kind: string) => {
        const run = runs.find((one) => one.kind === kind);
        return run === undefined ? Number.NaN : run.samples.filter(({ success }) => success).length / run.seconds;
      };
      const ceiling = Math.round(1_000 / machine.uMs);
      return {
        figures: {
          ...Object.fromEntries(runs.map(({ kind }) => [`verify/s ${kind}`, Math.round(rate(kind))])),
        },
        bars: [
          atLeast(
            "verification: payments by /verify, against the official facilitator",
            rate("Tributary") / rate("official"),
            3,
            "times",
          ),
        ],
        tables: [
          {
            title: "/verify, distinct payers",
            columns: [
              "facilitator",
              "payments",
              "valid, %",
              "payments/s",
              "p50, ms",
              "p99, ms",
              "processor, s",
              "event loop p99, ms",
              "what went wrong",
            ],
            rows: runs.map(({ kind, samples, usage }) => [
              kind,
              samples.length,
              round((samples.filter(({ success }) => success).length / samples.length) * 100),
              Math.round(rate(kind)),
              percentile(successesOf(samples), 0.5),
              percentile(successesOf(samples), 0.99),
              round(usage.cpuSeconds),
              round(usage.loopDelayMs.p99),
              commonestReason(samples) ?? "",
            ]),
            note: `${CALLERS} callers, each with one request at a time; times are those of payments that were valid. One core that does nothing but recover signers does ${ceiling} a second.`,
          },
        ],
        charts: [
          {
            file: "verification",
            title: "Payments verified in a second, distinct payers",
            kind: "bar",
            x: { name: "" },
            y: { name: "payments/s", min: 0 },
            series: [{ name: "payments/s", points: runs.map(({ kind }) => [kind, Math.round(rate(kind))] as const) }],
            floor: {
              name: "signatures alone, one core",
              points: runs.map(({ kind }) => [kind, ceiling] as const),
            },
          },
        ],
      };
    } finally {
      await chain.stop();
    }
  },
};
