import { type Command, Option } from "commander";
import type { Address } from "viem";
import type { LogLevel } from "../../facilitator/index.ts";
import { DEFAULT_FACILITATOR_POLICY } from "../../facilitator/index.ts";
import { DEFAULT_JOURNAL_PATH } from "../../journal/index.ts";
import type { Network } from "../../networks.ts";
import { DEFAULT_ENGINE_POLICY } from "../../settlement/policy.ts";
import { rpcTimeoutOption } from "../connect/connect.ts";
import { nodeOption } from "../connect/engine.ts";
import type { ListeningOptions } from "../connect/listening.ts";
import {
  addresses,
  gwei,
  integer,
  jsonOption,
  keystoreOption,
  network,
  rpcUrlOption,
  seconds,
  usdcAmount,
} from "../options/options.ts";
import type { Asset } from "./assets.ts";
import { assets } from "./assets.ts";
import type { LimitOptions } from "./limits.ts";

export type Options = LimitOptions &
  ListeningOptions & {
    readonly rpcUrl: string;
    readonly rpcTimeout: number;
    readonly network?: Network;
    readonly keystore?: string;
    readonly databaseUrl?: string;
    readonly asset?: readonly Asset[];
    readonly minAmount: bigint;
    readonly factory?: readonly Address[];
    readonly unbatched?: readonly Address[];
    readonly payerCap?: bigint;
    readonly rateLimit?: number;
    readonly merchants?: string;
    readonly merchantsOnly?: true;
    readonly lease: number;
    readonly answerWithin: number;
    readonly admitWithin: number;
    readonly confirmations: number | "preconfirmed";
    readonly sendEvery: number;
    readonly maxFee?: bigint;
    readonly gasFloor: number;
    readonly ethUsd: bigint;
    readonly maxTip?: bigint;
    readonly node?: readonly string[];
    readonly strict?: true;
    readonly grace: number;
    readonly maxHeadAge?: number;
    readonly logLevel: LogLevel;
    readonly json?: true;
  };

/** Adds the facilitator's own options. */
export function addFacilitatorOptions(command: Command): Command {
  return command
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(
      new Option("--network <name>", "network to serve; refuse a node on any other").env("NETWORK").argParser(network),
    )
    .addOption(keystoreOption())
    .addOption(
      new Option("--database-url <url>", `journal: a file, or postgres://… (default: ${DEFAULT_JOURNAL_PATH})`).env(
        "DATABASE_URL",
      ),
    )
    .addOption(
      new Option("--asset <address[=units]>", "token to settle, with its minimum in atomic units; may be repeated")
        .env("ASSETS")
        .argParser(assets),
    )
    .addOption(
      new Option("--min-amount <usdc>", "smallest payment in USDC").env("MIN_AMOUNT").argParser(usdcAmount).default(0n),
    )
    .option("--factory <address>", "factory that may deploy payers' wallets (ERC-6492); may be repeated", addresses)
    .option("--unbatched <payTo>", "payee whose payments each get a transaction; may be repeated", addresses)
    .addOption(
      new Option("--payer-cap <usdc>", "the most USDC that one payer may have unsettled")
        .env("PAYER_CAP")
        .argParser(usdcAmount),
    )
    .addOption(
      new Option("--rate-limit <requests>", "the most requests a second from one address")
        .env("RATE_LIMIT")
        .argParser(integer(1, 100_000)),
    )
    .addOption(
      new Option(
        "--merchants <file>",
        "merchants with an API key, as JSON; MERCHANT_KEYS=id=key,id=key in the environment adds more",
      ).env("MERCHANTS"),
    )
    .addOption(
      new Option("--merchants-only", "answer /verify, /settle and /accepts to merchants only").env("MERCHANTS_ONLY"),
    )
    .addOption(
      new Option("--answer-within <seconds>", "how long /settle waits for the payment to be mined")
        .env("ANSWER_WITHIN")
        .argParser(integer(1, 85))
        .default(DEFAULT_FACILITATOR_POLICY.answerWithinMs / 1000),
    )
    .addOption(
      new Option(
        "--admit-within <seconds>",
        "refuse at once (503) a request that is not expected to be answered in this time",
      )
        .env("ADMIT_WITHIN")
        .argParser(integer(1, 85))
        .default(DEFAULT_FACILITATOR_POLICY.admitWithinMs / 1000),
    )
    .addOption(
      new Option(
        "--confirmations <blocks>",
        "how deep a payment must be to count as settled; or preconfirmed: the sequencer's word is enough, which it may take back after the success was told, at your risk",
      )
        .env("CONFIRMATIONS")
        .argParser(confirmations)
        .default(1),
    )
    .addOption(
      new Option(
        "--send-every <seconds>",
        "least time between two transactions, where blocks or preconfirmations come faster",
      )
        .env("SEND_EVERY")
        .argParser(seconds(10))
        .default(DEFAULT_ENGINE_POLICY.sendEveryMs / 1000),
    )
    .addOption(
      new Option(
        "--eth-usd <usd>",
        "price of one ether: no call about channels takes more gas than it is worth (0: no price)",
      )
        .env("ETH_USD")
        .argParser(usdcAmount)
        .default(0n),
    )
    .addOption(
      new Option("--gas-floor <gas>", "gas that a call about channels may always take, however little it moves")
        .env("GAS_FLOOR")
        .argParser(integer(0, 16_777_216))
        .default(Number(DEFAULT_FACILITATOR_POLICY.gasFloor)),
    )
    .addOption(
      new Option("--max-fee <gwei>", "the most to offer per gas, replacements included (default: by network)")
        .env("MAX_FEE")
        .argParser(gwei),
    )
    .addOption(
      new Option("--max-tip <gwei>", "the most of that as a tip for the maker of the block (default: by network)")
        .env("MAX_TIP")
        .argParser(gwei),
    )
    .addOption(nodeOption())
    .addOption(
      new Option("--lease <seconds>", "how long the next start waits after this one was killed")
        .env("LEASE")
        .argParser(integer(5, 600))
        .default(30),
    )
    .option("--strict", "count a payment that somebody else submitted as used, for payees shared between facilitators")
    .addOption(
      new Option("--grace <seconds>", "how long a stop waits for payments").argParser(seconds(600)).default(15),
    )
    .addOption(
      new Option(
        "--max-head-age <seconds>",
        "how old the newest block may be for /ready to succeed; 0 for any age (default: 15, or 8 blocks' time)",
      )
        .env("MAX_HEAD_AGE")
        .argParser(integer(0, 86_400)),
    )
    .addOption(
      new Option("--log-level <level>", "how much to log to stderr, as lines of JSON")
        .env("LOG_LEVEL")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addOption(jsonOption());
}

function confirmations(text: string): number | "preconfirmed" {
  if (text === "preconfirmed") return text;
  return integer(1, 100)(text);
}
