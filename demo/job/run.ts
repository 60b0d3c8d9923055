import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type ChainClient, connectChain } from "../../src/chain/client.ts";
import { readFacts } from "../../src/chain/facts/facts.ts";
import { readPayments } from "../../src/cli/input/input.ts";
import { formatPayment, paymentFormats } from "../../src/cli/input/paymentFormats.ts";
import { reserveResults } from "../../src/cli/input/resultsFile.ts";
import { mockUSDCArtifact } from "../../src/contracts/MockUSDC.ts";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { settlePayments, summarise } from "../../src/settlement/index.ts";
import { measureMulticall, measureOneByOne } from "../measure.ts";
import { withProgress } from "../progress.ts";
import { type Cast, PAYMENTS, signPayments } from "./cast.ts";
import { check } from "./checks.ts";
import type { JobDemo } from "./report.ts";
import { setStage } from "./stage.ts";

/** Settles 1,000 payments, some of them bad, as one job on a fresh chain, and compares it with the usual ways. */
export async function playJob(): Promise<JobDemo> {
  const chain = await startLocalChain();
  try {
    return await play(chain);
  } finally {
    await chain.stop();
  }
}

/** Signs, settles, compares and checks. */
async function play(chain: LocalChain): Promise<JobDemo> {
  const now = await chain.now();
  const cast = await withProgress("signing payments", PAYMENTS, ({ update }) => signPayments(now, update));
  const folder = mkdtempSync(join(tmpdir(), "tributary-demo-"));
  const file = writePayments(folder, cast);
  await setStage(chain, cast);

  const client = await connectChain(chain.rpcUrl, { pollingIntervalMs: 20 });
  const good = cast.payments.filter(({ flaw }) => flaw === undefined).map(({ authorization }) => authorization);
  const oneByOne = await withProgress("measuring the usual ways, to compare", good.length, ({ update }) =>
    measureOneByOne(chain, good, update),
  );
  const multicall = await measureMulticall(chain, good);

  const authorizations = cast.payments.map(({ authorization }) => authorization);
  const before = await readHoldings(client, chain, authorizations);
  const settle = () =>
    withProgress("settling", PAYMENTS, async ({ update }) => {
      const input = await readPayments(file, {});
      return settlePayments(client, {
        payments: input.payments,
        senders: [privateKeyToAccount(keyOf(chain))],
        journal: `${file}.journal.db`,
        pace: { pollMs: 50 },
        onProgress: ({ decided }) => update(decided),
      });
    });
  const report = await settle();
  const after = await readHoldings(client, chain, authorizations);
  const results = reserveResults(`${file}.results.jsonl`, report.results.length);
  results.write(report.results, []);
  const again = await settle();

  const summary = summarise(report);
  const checks = check({
    cast,
    report,
    summary,
    before: before.balances,
    after: after.balances,
    supply: { before: before.supply, after: after.supply },
    routerBalance: after.routerBalance,
    again: summarise(again),
    oneByOne,
    multicall,
  });
  return { summary, oneByOne, multicall, checks, file, results: results.path };
}

/** Writes a file such as a resource server might collect, with payments in every supported form. */
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

/** Reads what every payer, every payee and the router hold, and the total supply. */
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
