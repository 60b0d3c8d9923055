import { type Command, InvalidArgumentError, Option } from "commander";
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { ChainClient } from "../../chain/client.ts";
import {
  type ChannelKeeper,
  createChannelKeeper,
  createKeeperMetrics,
  type KeeperActivity,
  type KeeperAlert,
  type KeeperMetrics,
  type KeeperPolicy,
  type KeeperWaiting,
} from "../../keeper/index.ts";
import type { Network } from "../../networks.ts";
import { startEngine } from "../../settlement/engine/start.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import { connect, rpcTimeoutOption } from "../connect/connect.ts";
import { feesOf, stderrLogger } from "../connect/engine.ts";
import { journalOption, openEngineJournal } from "../connect/journal.ts";
import { asUsageAsync } from "../exit/errors.ts";
import { gwei, integer, jsonOption, keystoreOption, network, rpcUrlOption } from "../options/options.ts";
import { authorizerKeyFromEnvironment } from "../options/secrets.ts";
import { namedSigner, resolveSigner } from "../options/signer.ts";
import { tellHeld } from "../settle/watch.ts";

/** Options of the commands that claim. */
export type KeeperCommandOptions = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly network?: Network;
  readonly journal?: string;
  readonly keystore?: string;
  readonly authorizer?: readonly string[];
  readonly maxFee?: bigint;
  readonly maxTip?: bigint;
  readonly lease: number;
  readonly debug?: true;
  readonly json?: true;
};

/** Adds these options to a command. */
export function withKeeperOptions(command: Command): Command {
  return command
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "refuse a node on any other network", network)
    .addOption(journalOption())
    .addOption(keystoreOption())
    .addOption(
      new Option(
        "--authorizer <file>",
        "keystore of a receiver authorizer's key, which signs claims (else RECEIVER_AUTHORIZER_KEY); may be repeated",
      ).argParser((text: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), text]),
    )
    .option("--max-fee <gwei>", "the most to offer per gas, replacements included (default: by network)", gwei)
    .option("--max-tip <gwei>", "the most of that as a tip for the maker of the block (default: by network)", gwei)
    .addOption(
      new Option("--lease <seconds>", "how long a killed process keeps the right to send from the key")
        .argParser(integer(5, 3_600))
        .default(15)
        .hideHelp(),
    )
    .addOption(jsonOption());
}

/** Reads a percentage with at most one decimal, into thousandths. */
export function percent(text: string): bigint {
  const match = /^([0-9]{1,5})(?:\.([0-9]))?$/.exec(text);
  const permille = match === null ? 0n : BigInt(match[1] ?? 0) * 10n + BigInt(match[2] ?? 0);
  if (permille > 0n) return permille;
  throw new InvalidArgumentError("Write a percentage above 0, such as 1 or 0.5.");
}

export type OpenKeeper = {
  readonly keeper: ChannelKeeper;
  readonly engine: SettlementEngine;
  readonly client: ChainClient;
  readonly metrics: KeeperMetrics;
  readonly close: () => Promise<void>;
};

/** Opens journal, engine and keeper. The engine waits a moment, so that calls can share a transaction. */
export async function openKeeper(
  options: KeeperCommandOptions,
  how: {
    readonly isWatching: boolean;
    readonly policy?: Partial<KeeperPolicy>;
    readonly onAlert?: (alert: KeeperAlert) => void;
    readonly onActivity?: (activity: KeeperActivity) => void;
    readonly onWaiting?: (waiting: KeeperWaiting) => void;
    readonly firstBlock?: bigint | undefined;
    readonly signal?: AbortSignal;
    /** The sending key, if it is already known. */
    readonly purse?: LocalAccount | undefined;
  },
): Promise<OpenKeeper> {
  const client = await connect(options);
  const { signal, purse, ...hooks } = how;
  const sender = purse ?? (await resolveSigner({ ...options, chainId: client.chain.id }));
  const keys = await authorizers(options.authorizer);
  const journal = await openEngineJournal(options, client);
  const { debug, lease } = options;
  try {
    const engine = await asUsageAsync(
      startEngine(client, {
        journal,
        senders: [sender],
        logger: stderrLogger(debug === true),
        policy: {
          leaseTtlMs: lease * 1000,
          fees: feesOf(options),
        },
        pace: PACE,
        onHeld: tellHeld,
        ...(signal === undefined ? {} : { signal }),
      }),
    );
    const metrics = createKeeperMetrics(client, { journal, engine });
    const keeper = createChannelKeeper(client, {
      metrics,
      journal,
      engine,
      authorizers: keys,
      logger: stderrLogger(debug === true),
      ...hooks,
    });
    return {
      keeper,
      engine,
      client,
      metrics,
      close: async () => {
        await keeper.close();
        await engine.close();
        await journal.close();
      },
    };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

const PACE = { lingerMs: 300, pollMs: 250 } as const;

/** The receiver authorizers' keys: from the keystores named, else from the environment. There may be none. */
async function authorizers(files: readonly string[] | undefined): Promise<LocalAccount[]> {
  if (files === undefined) {
    const key = authorizerKeyFromEnvironment();
    return key === undefined ? [] : [privateKeyToAccount(key)];
  }
  const keys: LocalAccount[] = [];
  for (const file of files) {
    const key = await namedSigner(file);
    if (key !== undefined) keys.push(key);
  }
  return keys;
}
