import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { privateKeyToAccount } from "viem/accounts";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import { type ChainClient, connectChain } from "../src/chain/client.ts";
import { readFacts } from "../src/chain/facts.ts";
import { mockUSDCArtifact } from "../src/contracts/MockUSDC.ts";
import { type LocalChain, startLocalChain } from "../src/local/index.ts";
import { networks } from "../src/networks.ts";
import { settlePayments, summarise } from "../src/settlement/index.ts";
import { EXIT } from "./cli/exitCodes.ts";
import { readPayments } from "./cli/input.ts";
import { jsonOption } from "./cli/options.ts";
import { notice, printJson, printLine, startProgress } from "./cli/output.ts";
import { formatPayment, paymentFormats } from "./cli/paymentFormats.ts";
import { examples } from "./cli/program.ts";
import { reserveResults } from "./cli/resultsFile.ts";
import { type Cast, PAYMENTS, signPayments } from "./demo/cast.ts";
import { check } from "./demo/checks.ts";
import { measureOthers } from "./demo/measure.ts";
import { formatDemo, introduce } from "./demo/report.ts";
import { setStage } from "./demo/stage.ts";

type Options = { readonly json?: true };

/** `tributary demo`: the whole flow on a local chain, with every figure checked. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Start a local chain in this process, sign 1,000 payments of which some are bad, settle them as tributary settle " +
        "does, compare with the usual ways, and check every balance. Needs no network and leaves nothing running.",
    )
    .addOption(jsonOption())
    .addHelpText("after", examples("demo", "demo --json"))
    .action(runDemo);
}

async function runDemo({ json }: Options): Promise<void> {
  const startedAt = Date.now();
  const chain = await startLocalChain({ blockTimeSeconds: 0 });
  try {
    if (json !== true) for (const line of introduce()) printLine(line);
    const demo = await play(chain);
    const seconds = (Date.now() - startedAt) / 1000;
    if (json === true) printJson({ ...demo, seconds });
    else for (const line of formatDemo(demo, seconds)) printLine(line);
    process.exitCode = demo.checks.every(({ holds }) => holds) ? EXIT.done : EXIT.check;
  } finally {
    await chain.stop();
  }
}

/** Signs, settles, compares and checks. */
async function play(chain: LocalChain) {
  const now = await chain.now();
  const cast = await withProgress("signing payments", (update) => signPayments(now, update));
  const folder = mkdtempSync(join(tmpdir(), "tributary-demo-"));
  const file = writePayments(folder, cast);
  await setStage(chain, cast);

  const client = await connectChain(chain.rpcUrl, { pollingIntervalMs: 20 });
  const good = cast.payments.filter(({ flaw }) => flaw === undefined).map(({ authorization }) => authorization);
  const others = await withProgress(
    "measuring the usual ways, to compare",
    (update) => measureOthers(chain, good, update),
    good.length,
  );

  const authorizations = cast.payments.map(({ authorization }) => authorization);
  const before = await readHoldings(client, chain, authorizations);
  const settle = () =>
    withProgress("settling", async (update) => {
      const input = await readPayments(file, {});
      return settlePayments(client, input.payments, {
        senders: [privateKeyToAccount(keyOf(chain))],
        journal: `${file}.journal.db`,
        policy: { pollMs: 50 },
        onProgress: ({ decided }) => update(decided),
      });
    });
  const report = await settle();
  const after = await readHoldings(client, chain, authorizations);
  const results = reserveResults(`${file}.results.jsonl`, report.results.length);
  results.write(report.results, []);
  const again = await settle();

  const summary = summarise(report.results, report.transactions);
  const checks = check({
    cast,
    report,
    summary,
    before: before.balances,
    after: after.balances,
    supply: { before: before.supply, after: after.supply },
    routerBalance: after.routerBalance,
    again: summarise(again.results, again.transactions),
    ...others,
  });
  return { summary, ...others, checks, file, results: results.path };
}

/** The file that a resource server might have collected: the payments in every form that they come in. */
function writePayments(folder: string, { payments }: Cast): string {
  const file = join(folder, "payments.jsonl");
  const { usdc, v1Name } = networks.baseSepolia;
  const lines = payments.map(({ authorization }, index) => {
    const format = paymentFormats[index % paymentFormats.length] ?? "authorization";
    return `${formatPayment(authorization, format, { v1Network: v1Name, domain: usdc })}\n`;
  });
  writeFileSync(file, lines.join(""));
  return file;
}

/** What every payer and payee holds, the router too, and the supply of all. */
async function readHoldings(client: ChainClient, chain: LocalChain, payments: readonly SignedAuthorization[]) {
  const { balances } = await readFacts(client, chain.usdc, payments);
  const token = { address: chain.usdc, abi: mockUSDCArtifact.abi } as const;
  const [routerBalance, supply] = await Promise.all([
    client.readContract({ ...token, functionName: "balanceOf", args: [chain.router] }),
    client.readContract({ ...token, functionName: "totalSupply" }),
  ]);
  return { balances, routerBalance, supply };
}

function keyOf({ accounts }: LocalChain) {
  const [account] = accounts;
  if (account === undefined) throw new Error("the chain has no accounts");
  return account.privateKey;
}

/** Runs `work` under a bar on a terminal, and says what it is elsewhere. */
async function withProgress<Answer>(
  what: string,
  work: (update: (done: number) => void) => Promise<Answer>,
  total: number = PAYMENTS,
): Promise<Answer> {
  if (!process.stderr.isTTY) notice(`${what} …`);
  const progress = startProgress(what, total);
  try {
    return await work(progress.update);
  } finally {
    progress.stop();
  }
}
