import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme as ClientScheme } from "@x402/evm/batch-settlement/client";
import { BatchSettlementEvmScheme as ServerScheme } from "@x402/evm/batch-settlement/server";
import type { LocalAccount } from "viem";
import { type ChainClient, connectChain } from "../../src/chain/client.ts";
import { createFacilitator, openJournal, serveFacilitator } from "../../src/facilitator/index.ts";
import { createChannelKeeper, createChannelStorage } from "../../src/keeper/index.ts";
import { type LocalChain, startLocalChain } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { startEngine } from "../../src/settlement/index.ts";
import { gasPerPayment, usualPrice } from "../figures.ts";
import { withProgress } from "../progress.ts";
import { buyAll, createBuyers, type Purchase } from "../sale/fleet.ts";
import { readHoldings } from "../sale/ledger.ts";
import { loadSalePackages, type SalePackages } from "../sale/packages.ts";
import { percentile, type SaleSize } from "../sale/report.ts";
import { openShop } from "../sale/shop.ts";
import { accountOf, BLOCK_SECONDS, DEMO_FACILITATOR, FACILITATOR_ACCOUNT, PAYEE, SPARE } from "../setting.ts";
import { checkChannels } from "./checks.ts";
import { readChannelLedger, together } from "./ledger.ts";
import { modelOtherWays, planLongChannel } from "./model.ts";
import { type ChannelDemo, describeChannelSetting } from "./report.ts";

export type ChannelSaleListener = { readonly onReady: (lines: readonly string[]) => void };

/** The account that the keeper sends from, and the one whose key signs its claims. */
const KEEPER_ACCOUNT = 18;
const AUTHORIZER_ACCOUNT = 17;
/** The same as in tributary channels keep: claims of one moment share a transaction. */
const KEEPER_PACE = { lingerMs: 300, pollMs: 250 } as const;

/**
 * Sells answers through x402 payment channels (scheme batch-settlement). All of it runs in this process: a chain,
 * Tributary's facilitator, a resource server with the official packages on Tributary's storage, buyers with the
 * official client, and the keeper that claims and sweeps. Checks every balance and closes everything.
 * @throws UsageError if a package for it is not installed.
 */
export async function playChannels(size: SaleSize, listener: ChannelSaleListener): Promise<ChannelDemo> {
  const packages = await loadSalePackages();
  const chain = await startLocalChain({ blockTimeSeconds: BLOCK_SECONDS });
  const folder = mkdtempSync(join(tmpdir(), "tributary-demo-"));
  try {
    return await play(packages, { chain, folder, size, listener });
  } finally {
    await chain.stop();
    rmSync(folder, { recursive: true });
  }
}

type Stage = {
  readonly chain: LocalChain;
  /** The folder of the server's journal. */
  readonly folder: string;
  readonly size: SaleSize;
  readonly listener: ChannelSaleListener;
};

async function play(packages: SalePackages, stage: Stage): Promise<ChannelDemo> {
  const { chain, size } = stage;
  const { price, requests } = size;
  const buyers = createBuyers(size.buyers);
  const client = await connectChain(chain.rpcUrl);
  const facilitator = accountOf(chain, FACILITATOR_ACCOUNT);
  const keeper = accountOf(chain, KEEPER_ACCOUNT);
  const passive = [facilitator.address, keeper.address];
  const contract = chain.batchSettlement;
  const accounts = [...buyers.map(({ address }) => address), PAYEE, contract, ...passive];

  const longChannel = planLongChannel(price);
  const { deposit, multiplier } = longChannel;
  const depositing = deposit * BigInt(Math.ceil(Math.ceil(requests / buyers.length) / multiplier));
  await Promise.all(buyers.map(({ address }) => chain.fund(address, depositing + SPARE)));
  const before = await readHoldings(client, chain.usdc, accounts);
  const fromBlock = (await client.getBlockNumber()) + 1n;

  const sold = await sell(packages, { ...stage, client, facilitator, keeper, buyers, deposit });
  const { purchases, records, swept, unclaimed, saleSeconds } = sold;
  const who = { token: chain.usdc, payee: PAYEE, facilitator: facilitator.address, keeper: keeper.address, fromBlock };
  const ledger = await readChannelLedger(client, records, who);
  const after = await readHoldings(client, chain.usdc, accounts);

  const parties = { payee: PAYEE, contract, passive };
  const served = purchases.filter(({ status }) => status === 200);
  const tributary = together(Object.values(ledger.sent), served.length);
  const total = (pick: "deposited" | "claimed") => ledger.channels.reduce((sum, one) => sum + one[pick], 0n);
  return {
    ...size,
    served: served.length,
    vouchers: new Set(served.map(({ voucher }) => `${voucher?.channelId}:${voucher?.maxClaimable}`)).size,
    channels: ledger.channels.length,
    deposits: { count: ledger.deposits, announced: deposit, total: total("deposited") },
    claimed: total("claimed"),
    swept,
    paid: (after.get(PAYEE) ?? 0n) - (before.get(PAYEE) ?? 0n),
    refundable: total("deposited") - total("claimed"),
    transactions: {
      deposits: ledger.sent.facilitator.transactions,
      claimsAndSweeps: ledger.sent.keeper.transactions,
    },
    tributary,
    modelled: modelOtherWays({ buyers: buyers.length, payments: served.length, price }),
    gasPerPayment: { tributary: gasPerPayment(tributary) },
    shareOfValuePpm: usualPrice(tributary, price)?.shareOfValuePpm,
    longChannel,
    latencyMs: latencies(served),
    saleSeconds,
    checks: checkChannels({ price, requests, purchases, ledger, before, after, ...parties, swept, unclaimed }),
  };
}

/** Runs facilitator, resource server and buyers until every call is answered, then claims, sweeps and closes them. */
async function sell(
  packages: SalePackages,
  setting: Stage & {
    readonly client: ChainClient;
    readonly facilitator: LocalAccount;
    readonly keeper: LocalAccount;
    readonly buyers: readonly LocalAccount[];
    readonly deposit: bigint;
  },
) {
  const { chain, client, folder, size, listener, buyers, deposit } = setting;
  const { chainId, caip2 } = networks.baseSepolia;
  const authorizer = accountOf(chain, AUTHORIZER_ACCOUNT);
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const facilitatorJournal = await openJournal(":memory:");
    closers.push(() => facilitatorJournal.close());
    const facilitator = await createFacilitator(client, {
      journal: facilitatorJournal,
      senders: [setting.facilitator],
      policy: DEMO_FACILITATOR,
    });
    closers.push(() => facilitator.close({ graceMs: 0 }));
    const served = await serveFacilitator(facilitator, { port: 0 });
    closers.push(() => served.close({ graceMs: 0 }));

    const journal = await openJournal(join(folder, "journal.db"));
    closers.push(() => journal.close());
    const storage = createChannelStorage(journal, { chainId });
    const scheme = new ServerScheme(PAYEE, { storage, receiverAuthorizerSigner: authorizer });
    const official = new HTTPFacilitatorClient({ url: served.url });
    const shop = await openShop(packages, {
      resources: new x402ResourceServer(official).register(caip2, scheme),
      offer: {
        scheme: "batch-settlement",
        price: size.price,
        payTo: PAYEE,
        extra: { minDeposit: deposit.toString() },
      },
    });
    closers.push(shop.close);

    const engine = await startEngine(client, { journal, senders: [setting.keeper], pace: KEEPER_PACE });
    closers.push(() => engine.close());
    const keeper = createChannelKeeper(client, { journal, engine, authorizers: [authorizer], isWatching: false });
    closers.push(() => keeper.close());

    const { url } = shop;
    const [sender, claimer] = [setting.facilitator.address, setting.keeper.address];
    const roles = { shop: url, facilitator: served.url, sender, keeper: claimer, deposit, chain };
    listener.onReady(describeChannelSetting({ ...size, ...roles }));
    const startedMs = performance.now();
    const purchases = await withProgress("answers sold", size.requests, ({ update }) => {
      let count = 0;
      return buyAll(packages, {
        buyers,
        requests: size.requests,
        url,
        clientOf: (buyer) => new packages.x402Client().register(caip2, channelScheme(client, buyer)),
        fetchOf: () => fetch,
        onPurchase: () => {
          count += 1;
          update(count);
        },
      });
    });
    const saleSeconds = (performance.now() - startedMs) / 1000;
    const swept = await withProgress("claimed and swept", 2, async ({ update }) => {
      await keeper.claim();
      update(1);
      const { swept: sweeps } = await keeper.sweep();
      update(2);
      return sweeps.reduce((sum, { amount }) => sum + amount, 0n);
    });
    const { authorizers } = await keeper.status();
    const unclaimed = authorizers.reduce((sum, one) => sum + one.unclaimed, 0n);
    return { purchases, saleSeconds, swept, unclaimed, records: await storage.list() };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** The official scheme of a buyer. It looks the buyer's channel up on the chain if it knows none. */
function channelScheme(client: ChainClient, buyer: LocalAccount): ClientScheme {
  // The packages' types allow any record as an ABI or an EIP-712 message; viem's do not.
  const signer = toClientEvmSigner(buyer as Parameters<typeof toClientEvmSigner>[0], {
    readContract: (args) => client.readContract(args as Parameters<ChainClient["readContract"]>[0]),
  });
  return new ClientScheme(signer);
}

function latencies(served: readonly Purchase[]): ChannelDemo["latencyMs"] {
  const sorted = (hasDeposit: boolean) =>
    served
      .filter(({ voucher }) => voucher !== undefined && voucher.hasDeposit === hasDeposit)
      .map(({ latencyMs }) => latencyMs)
      .sort((a, b) => a - b);
  const [plain, deposits] = [sorted(false), sorted(true)];
  return {
    p50: percentile(plain, 50),
    p95: percentile(plain, 95),
    deposit: { p50: percentile(deposits, 50), max: deposits.at(-1) },
  };
}
