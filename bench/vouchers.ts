// Requests paid by voucher, at one server process of official packages: with channels in memory, and with channels in our
// journal on disk and our check of vouchers. Everything else is the same. Chain, facilitator and servers each have their own
// process; the buyers are in this one.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createBuyers } from "../demo/sale/fleet.ts";
import { percentile } from "../demo/sale/report.ts";
import { startFacilitator } from "./lib/facilitators.ts";
import { commonestReason, type Sample } from "./lib/load.ts";
import { type Measured, startMeasured } from "./lib/processes.ts";
import { type RemoteChain, startRemoteChain } from "./lib/remoteChain.ts";
import { atLeast, atMost, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";
import { type BuyingChannel, buyFlatOut, buySteadily, buyTimes, openBuyingChannel, signAhead } from "./lib/vouchers.ts";

const REFERENCE = "official, in memory";
const OURS = "Tributary, SQLite";
/** Shows what the storage alone costs; only in the long form. */
const STORAGE_ALONE = "official check, SQLite";
const CHANNELS = 32;
const PRICE = 100n;
const DEPOSIT = 10_000_000n;
/** Purchases in each channel before anything is measured: the first ones compile code. */
const WARM_UP = 8;
/** The servers take turns and the median counts, so that no server has the quieter machine. */
const TURNS = { quick: 3, full: 5 };
const SECONDS = { quick: { flatOut: 1, steady: 2 }, full: { flatOut: 4, steady: 4 } };
const STEADY_PER_SECOND = 100;
/** How many vouchers the first turn starts with; later turns start with somewhat more than a server took before. */
const SIGNED_PER_SECOND = 800;
const SPARE = 1.25;
/** While it signs, this process does not notice which of its idle connections a server has closed. */
const SETTLE_MS = 200;
const AIM = { flatOut: "300 a second", steady: "p95 25 ms" };

const LOADS = ["flatOut", "steady"] as const;
type Load = (typeof LOADS)[number];
type Turn = { readonly samples: readonly Sample[]; readonly seconds: number; readonly cpuSeconds: number };
type Server = {
  readonly name: string;
  readonly measured: Measured;
  readonly channels: readonly BuyingChannel[];
  readonly turns: Readonly<Record<Load, Turn[]>>;
};

export const vouchers: Subject = {
  name: "vouchers",
  title: "Vouchers",
  run: async ({ full, tell }) => {
    const form = full ? "full" : "quick";
    const closers: (() => Promise<void> | void)[] = [];
    try {
      const chain = await startRemoteChain(0);
      closers.push(chain.stop);
      const facilitator = await startFacilitator(chain, "Tributary");
      closers.push(facilitator.stop);
      const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
      closers.push(() => rmSync(folder, { recursive: true, force: true }));

      tell("opening channels");
      const kinds = [
        { name: REFERENCE, choice: [] },
        { name: OURS, choice: [join(folder, "journal.db"), "quickened"] },
        ...(full ? [{ name: STORAGE_ALONE, choice: [join(folder, "alone.db")] }] : []),
      ];
      const servers = await Promise.all(
        kinds.map(async ({ name, choice }, index): Promise<Server> => {
          const measured = startServer(chain, facilitator.url, index, choice);
          closers.push(measured.stop);
          const buyers = createBuyers(CHANNELS);
          await setBalances(
            chain.request,
            buyers.map(({ address }) => address),
            10n ** 12n,
          );
          const url = await measured.firstLine();
          const channels = await Promise.all(buyers.map((buyer) => openBuyingChannel(url, buyer, PRICE)));
          return { name, measured, channels, turns: { flatOut: [], steady: [] } };
        }),
      );
      const signing = { count: 0, ms: 0 };
      for (const load of LOADS) {
        for (let turn = 0; turn < TURNS[form]; turn += 1) {
          for (const server of servers) {
            tell(`${server.name}, ${nameOf(load)}, ${turn + 1} of ${TURNS[form]}`);
            server.turns[load].push(await measure(server, load, SECONDS[form][load], signing));
          }
        }
      }
      return report(servers, signing.ms / signing.count);
    } finally {
      for (const close of closers.reverse()) await close();
    }
  },
};

/** A server with its own payee, and so with its own channels. */
function startServer(chain: RemoteChain, facilitatorUrl: string, index: number, choice: readonly string[]) {
  const { address, privateKey } = chain.accounts[40 + index]!;
  const args = [facilitatorUrl, address, String(DEPOSIT), ...choice];
  return startMeasured("bench/processes/voucherServer.ts", args, { RECEIVER_AUTHORIZER_KEY: privateKey });
}

async function measure(
  { measured, channels, turns }: Server,
  load: Load,
  seconds: number,
  signing: { count: number; ms: number },
): Promise<Turn> {
  const signingMs = performance.now();
  const rates = turns.flatOut.map((turn) => SPARE * figuresOf(turn).perSecond);
  const perSecond =
    load === "steady" ? STEADY_PER_SECOND : Math.max(...(rates.length > 0 ? rates : [SIGNED_PER_SECOND]));
  const each = WARM_UP + Math.ceil((perSecond * seconds) / CHANNELS);
  for (const channel of channels) signing.count += await signAhead(channel, each);
  signing.ms += performance.now() - signingMs;
  await pause(SETTLE_MS);

  const warmUp = await buyTimes(channels, turns.flatOut.length === 0 ? WARM_UP : 1);
  await measured.begin();
  const startedMs = performance.now();
  const bought = await (load === "flatOut"
    ? buyFlatOut(channels, seconds)
    : buySteadily(channels, STEADY_PER_SECOND, seconds));
  const took = (performance.now() - startedMs) / 1_000;
  const { cpuSeconds } = await measured.usage();
  // Failures during the warm-up count too.
  const samples = [...bought, ...warmUp.filter(({ success }) => !success)];
  return { samples, seconds: took, cpuSeconds };
}

const nameOf = (load: Load): string =>
  load === "flatOut" ? `flat out, ${CHANNELS} callers` : `${STEADY_PER_SECOND} a second`;

/** The figures of one turn of a server. */
type Figures = { readonly perSecond: number; readonly p50: number; readonly p95: number; readonly cpuMs: number };

function figuresOf({ samples, seconds, cpuSeconds }: Turn): Figures {
  const taken = samples.filter(({ success }) => success).map(({ ms }) => ms);
  const sorted = taken.sort((a, b) => a - b);
  const [p50 = Number.NaN, p95 = Number.NaN] = [50, 95].map((share) => percentile(sorted, share));
  return { perSecond: taken.length / seconds, p50, p95, cpuMs: (cpuSeconds * 1_000) / taken.length };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

function report(servers: readonly Server[], signingMs: number) {
  const figures: Record<string, number> = { "vouchers ms to sign one": round(signingMs) };
  const rows = LOADS.flatMap((load) =>
    servers.map(({ name, turns }) => {
      const of = turns[load].map(figuresOf);
      const middle = (key: keyof Figures) => median(of.map((one) => one[key]));
      const samples = turns[load].flatMap((turn) => turn.samples);
      figures[`vouchers ${nameOf(load)} per second ${name}`] = round(middle("perSecond"));
      figures[`vouchers ${nameOf(load)} p95 ${name}`] = round(middle("p95"));
      return { name, load, of, middle, samples, failed: samples.filter(({ success }) => !success).length };
    }),
  );
  /** The factor between ours and the reference: the median of the turns, each compared with the reference's turn next to it. */
  const against = (load: Load, key: keyof Figures): number => {
    const of = (name: string) => rows.find((row) => row.name === name && row.load === load)?.of ?? [];
    const reference = of(REFERENCE);
    return median(of(OURS).map((turn, index) => turn[key] / (reference[index]?.[key] ?? Number.NaN)));
  };
  const failures = rows.reduce((sum, { failed }) => sum + failed, 0);
  return {
    figures,
    bars: [
      atMost("vouchers: failures", failures, 0, "requests"),
      atLeast(
        `vouchers, ${nameOf("flatOut")}: requests a second, against the official storage in memory`,
        against("flatOut", "perSecond"),
        1,
        "times",
      ),
      ...LOADS.map((load) =>
        atMost(
          `vouchers, ${nameOf(load)}: p95, against the official storage in memory`,
          against(load, "p95"),
          1,
          "of it",
        ),
      ),
    ],
    tables: [
      {
        title: "Requests paid by voucher, one server process",
        columns: [
          "load",
          "server",
          "requests",
          "a second",
          "p50, ms",
          "p95, ms",
          "server's processor, ms a request",
          "aim",
          "failed",
          "what went wrong",
        ],
        rows: rows.map(({ name, load, middle, samples, failed }) => [
          nameOf(load),
          name,
          samples.length,
          round(middle("perSecond")),
          round(middle("p50")),
          round(middle("p95")),
          round(middle("cpuMs")),
          AIM[load],
          failed,
          commonestReason(samples) ?? "",
        ]),
        note:
          "The official express middleware and server scheme; ours checks vouchers by quickenVouchers and keeps channels on disk, and " +
          "waits for it before the resource goes out. Channels have their deposits and vouchers were signed beforehand, which took " +
          `${round(signingMs)} ms each on the same cores; a channel has one request under way. The servers take turns; figures are ` +
          "medians of the turns, and the bars medians of each turn against the reference's beside it.",
      },
    ],
    charts: [
      {
        file: "vouchers",
        title: "Requests paid by voucher in a second, one server process",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "requests/s", min: 0 },
        series: [
          {
            name: "requests/s",
            points: rows
              .filter(({ load }) => load === "flatOut")
              .map(({ name, middle }) => [name, round(middle("perSecond"))] as const),
          },
        ],
      },
    ],
  };
}
