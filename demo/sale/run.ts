import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { registerExactEvmScheme as registerClientScheme } from "@x402/evm/exact/client";
import { registerExactEvmScheme as registerServerScheme } from "@x402/evm/exact/server";
import type { LocalAccount } from "viem";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { type ChainClient, connectChain } from "../../src/chain/client.ts";
import { createFacilitator, type Journal, openJournal, serveFacilitator } from "../../src/facilitator/index.ts";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { gasPerPayment } from "../figures.ts";
import { type Measurement, measureOneByOne } from "../measure.ts";
import { withProgress } from "../progress.ts";
import { accountOf, BLOCK_SECONDS, DEMO_FACILITATOR, FACILITATOR_ACCOUNT, PAYEE, SPARE } from "../setting.ts";
import { checkSale } from "./checks.ts";
import { buyAll, createBuyers } from "./fleet.ts";
import { readHoldings, readSettled } from "./ledger.ts";
import { loadSalePackages, type SalePackages } from "./packages.ts";
import { describeSetting, percentile, type SaleDemo, type SaleSize } from "./report.ts";
import { openShop } from "./shop.ts";
import { createTrace, type TraceStep } from "./trace.ts";

/** What the demo reports while it runs. */
export type SaleListener = {
  readonly onReady: (lines: readonly string[]) => void;
  /** Called with the steps of the first payment when it is settled. Without this, nothing is traced. */
  readonly onTrace?: (steps: readonly TraceStep[]) => void;
};

const ROWS_AT_ONCE = 1_000;

/**
 * Sells answers to many buyers. A chain, Tributary's facilitator, a resource server with the official middleware and
 * buyers with the official client all run in this process and talk HTTP. Checks every balance and closes everything.
 * @throws UsageError if a package for it is not installed.
 */
export async function playSale(size: SaleSize, listener: SaleListener): Promise<SaleDemo> {
  const packages = await loadSalePackages();
  const chain = await startLocalChain({ blockTimeSeconds: BLOCK_SECONDS });
  try {
    return await play(packages, chain, size, listener);
  } finally {
    await chain.stop();
  }
}

async function play(
  packages: SalePackages,
  chain: LocalChain,
  size: SaleSize,
  listener: SaleListener,
): Promise<SaleDemo> {
  const { price, requests } = size;
  const buyers = createBuyers(size.buyers);
  const client = await connectChain(chain.rpcUrl);
  const sender = accountOf(chain, FACILITATOR_ACCOUNT);
  const passive = [chain.router, sender.address];
  const accounts = [...buyers.map(({ address }) => address), PAYEE, ...passive];

  const spending = price * BigInt(Math.ceil(requests / buyers.length));
  await Promise.all(buyers.map(({ address }) => chain.fund(address, spending + SPARE)));
  const snapshot = await chain.request("evm_snapshot");
  const before = await readHoldings(client, chain.usdc, accounts);
  const fromBlock = (await client.getBlockNumber()) + 1n;

  const sold = await sell(packages, { chain, client, sender, buyers, size, listener });
  const settled = await readSettled(client, { token: chain.usdc, sender: sender.address, fromBlock });
  const after = await readHoldings(client, chain.usdc, accounts);

  const oneByOne = await measureFrom(chain, snapshot, sold.payments);
  const { purchases, journal, saleSeconds, trace } = sold;
  const evidence = { price, requests, purchases, settled, before, after, payee: PAYEE, passive, journal, oneByOne };
  const served = purchases.filter(({ status }) => status === 200);
  const latencies = served.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const { transactions, gasUsed, uses } = settled;
  const tributary = { transactions, gasUsed, settled: uses.size };
  return {
    ...size,
    served: served.length,
    payments: uses.size,
    paid: (after.get(PAYEE) ?? 0n) - (before.get(PAYEE) ?? 0n),
    tributary,
    oneByOne,
    gasPerPayment: { tributary: gasPerPayment(tributary), oneByOne: gasPerPayment(oneByOne) },
    latencyMs: { p50: percentile(latencies, 50), p95: percentile(latencies, 95) },
    saleSeconds,
    checks: checkSale(evidence),
    trace,
  };
}

/** Runs facilitator, resource server and buyers until every request is answered, then closes them. */
async function sell(
  packages: SalePackages,
  setting: {
    readonly chain: LocalChain;
    readonly client: ChainClient;
    readonly sender: LocalAccount;
    readonly buyers: readonly LocalAccount[];
    readonly size: SaleSize;
    readonly listener: SaleListener;
  },
) {
  const { chain, sender, buyers, size, listener } = setting;
  const { onTrace } = listener;
  const trace = onTrace === undefined ? undefined : createTrace();
  const client = trace?.chain(setting.client) ?? setting.client;
  const closers: (() => Promise<void>)[] = [];
  try {
    const journal = await openJournal(":memory:");
    closers.push(() => journal.close());
    const facilitator = await createFacilitator(client, { journal, senders: [sender], policy: DEMO_FACILITATOR });
    closers.push(() => facilitator.close({ graceMs: 0 }));
    const served = await serveFacilitator(facilitator, { port: 0 });
    closers.push(() => served.close({ graceMs: 0 }));
    const official = new HTTPFacilitatorClient({ url: served.url });
    const asked = trace?.facilitator(official) ?? official;
    const shop = await openShop(packages, {
      resources: registerServerScheme(new x402ResourceServer(asked)),
      offer: { scheme: "exact", price: size.price, payTo: PAYEE },
    });
    closers.push(shop.close);

    const { url } = shop;
    listener.onReady(describeSetting({ ...size, shop: url, facilitator: served.url, sender: sender.address, chain }));
    const startedMs = performance.now();
    const purchases = await withProgress("answers sold", size.requests, ({ update, interrupt }) => {
      let count = 0;
      let isTold = onTrace === undefined;
      return buyAll(packages, {
        buyers,
        requests: size.requests,
        url,
        clientOf: (signer) => registerClientScheme(new packages.x402Client(), { signer }),
        fetchOf: (buyer) => (buyer === 0 && trace !== undefined ? trace.client(fetch) : fetch),
        onPurchase: (_purchase, buyer) => {
          count += 1;
          update(count);
          if (isTold || buyer !== 0) return;
          isTold = true;
          interrupt(() => onTrace?.(trace?.steps() ?? []));
        },
      });
    });
    const saleSeconds = (performance.now() - startedMs) / 1000;
    const [payments, counts] = [await readPayments(journal), await journal.count()];
    return { purchases, saleSeconds, payments, journal: counts, trace: trace?.steps() };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The authorizations that the facilitator settled, in the order in which they came. */
async function readPayments(journal: Journal): Promise<SignedAuthorization[]> {
  const payments: SignedAuthorization[] = [];
  for (let afterId = 0; ; ) {
    const rows = await journal.list({ states: ["settled"], afterId, limit: ROWS_AT_ONCE });
    for (const { work } of rows) if (work.kind === "authorization") payments.push(work.authorization);
    const last = rows.at(-1);
    if (last === undefined || rows.length < ROWS_AT_ONCE) return payments;
    afterId = last.id;
  }
}

/** What the same payments cost one by one, from the state in which the sale began. */
async function measureFrom(
  chain: LocalChain,
  snapshot: unknown,
  payments: readonly SignedAuthorization[],
): Promise<Measurement> {
  await chain.request("evm_setIntervalMining", [0]);
  await chain.request("evm_revert", [snapshot]);
  await chain.request("evm_setAutomine", [true]);
  return withProgress("measuring one by one, to compare", payments.length, ({ update }) =>
    measureOneByOne(chain, payments, update),
  );
}
