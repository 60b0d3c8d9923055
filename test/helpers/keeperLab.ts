import type { BatchSettlementEvmScheme as ServerScheme } from "@x402/evm/batch-settlement/server";
import { type Address, createWalletClient, type Hex, http, type LocalAccount, publicActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { batchSettlementAbi as abi } from "../../src/channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS as address, type ChannelConfig } from "../../src/channels/index.ts";
import { createFacilitator, serveFacilitator } from "../../src/facilitator/index.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
import {
  createChannelKeeper,
  createChannelStorage,
  createKeeperMetrics,
  type KeeperActivity,
  type KeeperAlert,
  type KeeperOptions,
  type KeeperWaiting,
} from "../../src/keeper/index.ts";
import type { LocalChainOptions } from "../../src/local/index.ts";
import { networks } from "../../src/networks.ts";
import { startEngine } from "../../src/settlement/index.ts";
import { openChainLab } from "./chainLab.ts";
import { type ChannelBuyerOptions, facilitatorAt, openChannelBuyer, openChannelShop } from "./channelShop.ts";
import { FAST } from "./engineLab.ts";
import { officialFacilitator } from "./officialFacilitator.ts";
import { startPacedClock } from "./pacedClock.ts";
import { type Tuning, tuned } from "./tuning.ts";

const { chainId } = networks.baseSepolia;

/** Claims everything at any price, and sweeps it. */
export const EAGER = { maxCostPermille: 10n ** 9n, etherMicroUsd: 0n, roundMs: 20, urgentRetryMs: 0 } as const;

export type KeeperLab = Awaited<ReturnType<typeof openKeeperLab>>;

/**
 * A local chain with shops, buyers and keepers. Everything but the keeper and the storage is official, unless `isOurs` asks
 * for our facilitator too.
 */
export async function openKeeperLab({ isOurs = false, ...options }: LocalChainOptions & { isOurs?: boolean } = {}) {
  const lab = await openChainLab(options);
  const clock = startPacedClock(() => lab.chain.request("eth_chainId"));
  const closers: (() => Promise<void> | void)[] = [];
  const doomed: (() => Promise<void>)[] = [];
  const accountOf = (index: number): LocalAccount => privateKeyToAccount(lab.keyOf(index).privateKey);
  const walletOf = (index: number) =>
    createWalletClient({ account: accountOf(index), chain: baseSepolia, transport: http(lab.chain.rpcUrl) }).extend(
      publicActions,
    );
  const ours = isOurs ? await openFacilitator() : undefined;
  const facilitator =
    ours === undefined ? officialFacilitator(lab.chain.rpcUrl, accountOf(18)) : facilitatorAt(ours.url);
  let snapshot: unknown;

  async function openFacilitator() {
    const journal = await openJournal(":memory:");
    const { client } = lab;
    const served = await createFacilitator(client, { journal, senders: [accountOf(18)] });
    const { url, close } = await serveFacilitator(served, { port: 0 });
    return {
      url,
      engine: served.engine,
      journal,
      close: async () => {
        await close({ graceMs: 0 });
        await journal.close();
      },
    };
  }

  return {
    ...lab,
    accountOf,
    /** Our facilitator with its engine and journal, if it was asked for. */
    ours,
    /** A journal that closes with the test. */
    journal: async (url = ":memory:"): Promise<Journal> => {
      const journal = await openJournal(url);
      closers.push(() => journal.close());
      return journal;
    },
    /** A shop of a receiver whose channels are in the journal. `prepare` has its scheme before the server does. */
    shop: async (
      journal: Journal,
      receiver: Address,
      authorizer: LocalAccount,
      prepare?: (scheme: ServerScheme) => void,
    ) => {
      const storage = createChannelStorage(journal, { chainId });
      const shop = await openChannelShop(
        facilitator,
        receiver,
        { storage, receiverAuthorizerSigner: authorizer },
        prepare,
      );
      closers.push(() => shop.stop());
      return { ...shop, storage };
    },
    buyer: (index: number, options: ChannelBuyerOptions = {}) =>
      openChannelBuyer(lab.client, accountOf(index), options),
    /** A keeper with its own engine, which sends from account `sender`. It works only when it is asked to. */
    keeper: async (
      journal: Journal,
      options: Partial<Omit<KeeperOptions, "journal">> & {
        readonly sender?: number;
        /** The engine's name in leases. */
        readonly owner?: string;
        /** How the engine gathers, if not at its usual pace. */
        readonly pace?: Tuning;
        /** Whether it lives until the lab ends and is not waited for, as if its process were killed. */
        readonly isDoomed?: boolean;
      } = {},
    ) => {
      const { sender = 19, isDoomed = false, owner, pace, policy, ...rest } = options;
      const alerts: KeeperAlert[] = [];
      const activities: KeeperActivity[] = [];
      const waits: KeeperWaiting[] = [];
      const engine = await startEngine(lab.client, {
        journal,
        senders: [accountOf(sender)],
        ...(owner === undefined ? {} : { owner }),
        clock,
        ...tuned({ ...FAST, lingerMs: 50, leaseTtlMs: 600, ...pace }),
      });
      const metrics = createKeeperMetrics(lab.client, { journal, engine });
      const keeper = createChannelKeeper(lab.client, {
        journal,
        metrics,
        engine,
        authorizers: [],
        onAlert: (alert) => alerts.push(alert),
        onActivity: (activity) => activities.push(activity),
        onWaiting: (waiting) => waits.push(waiting),
        isWatching: false,
        policy: { ...EAGER, ...policy },
        ...rest,
      });
      const close = async () => {
        await keeper.close();
        await engine.close({ finishWithinMs: 0 });
      };
      if (isDoomed) doomed.push(() => engine.close({ finishWithinMs: 0 }));
      else closers.push(close);
      return { ...keeper, engine, alerts, activities, waits, metrics, close };
    },
    /** The payer asks for all that is not claimed. */
    withdraw: async (index: number, config: ChannelConfig, amount: bigint): Promise<void> => {
      const wallet = walletOf(index);
      const hash = await wallet.writeContract({
        address,
        abi,
        functionName: "initiateWithdraw",
        args: [config, amount],
      });
      await wallet.waitForTransactionReceipt({ hash });
    },
    finalize: async (index: number, config: ChannelConfig): Promise<void> => {
      const wallet = walletOf(index);
      const args = [config] as const;
      const hash = await wallet.writeContract({ address, abi, functionName: "finalizeWithdraw", args });
      await wallet.waitForTransactionReceipt({ hash });
    },
    onChain: async (channelId: string) => {
      const args = [channelId as Hex] as const;
      return lab.client.readContract({ address, abi, functionName: "channels", args });
    },
    sleepOnChain: async (seconds: number): Promise<void> => {
      await lab.chain.request("evm_increaseTime", [seconds]);
      await lab.chain.request("evm_mine", []);
    },
    /** Remembers the chain as it is, its time included. */
    remember: async (): Promise<void> => {
      snapshot = await lab.chain.request("evm_snapshot", []);
    },
    /** Ends what the test opened, and puts the chain back. */
    closeAll: async (): Promise<void> => {
      for (const close of closers.splice(0).reverse()) await close();
      if (snapshot !== undefined) await lab.chain.request("evm_revert", [snapshot]);
    },
    stop: async () => {
      await Promise.all(doomed.map((close) => close()));
      await ours?.close();
      clock.stop();
      await lab.chain.stop();
    },
  };
}
