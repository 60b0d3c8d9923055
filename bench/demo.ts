// The demo of the README, as a developer runs it: buyers with the official client, the official middleware and the facilitator, all
// in one process with the chain.
import { z } from "zod";
import { startMeasured } from "./lib/processes.ts";
import { atMost, round, type Subject } from "./lib/results.ts";

const MOST_SECONDS = { p50: 2, p95: 3 };

const said = z.object({
  requests: z.number(),
  buyers: z.number(),
  latencyMs: z.object({ p50: z.number(), p95: z.number() }),
  seconds: z.number(),
});

export const demo: Subject = {
  name: "demo",
  title: "Demo",
  run: async () => {
    const { code, stdout, stderr } = await startMeasured("scripts/tributary.ts", ["demo", "--json"]).ended();
    if (code !== 0) throw new Error(`tributary demo ended with ${code}: ${stderr}`);
    const { requests, buyers, latencyMs, seconds } = said.parse(JSON.parse(stdout));
    const { p50, p95 } = latencyMs;
    return {
      figures: { "demo p50": Math.round(p50), "demo p95": Math.round(p95) },
      bars: [
        atMost("demo, latency of a paid call: p50", p50 / 1_000, MOST_SECONDS.p50, "s"),
        atMost("demo, latency of a paid call: p95", p95 / 1_000, MOST_SECONDS.p95, "s"),
      ],
      charts: [],
      tables: [
        {
          title: "Paid calls at 2 s blocks",
          columns: ["buyers", "calls", "p50, ms", "p95, ms", "all of it, s"],
          rows: [[buyers, requests, Math.round(p50), Math.round(p95), round(seconds)]],
          note: "From a buyer's first request to the resource. The official server verifies, does its work, and settles before it answers.",
        },
      ],
    };
  },
};
