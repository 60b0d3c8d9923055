import { Command, Option } from "commander";
import type { Address, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { ChainClient } from "../src/chain/client.ts";
import { isDevelopmentChain } from "../src/chain/development.ts";
import { readRouterCode } from "../src/chain/facts/routerCode.ts";
import { untilBegunAnew } from "../src/cli/connect/beginning.ts";
import { connect, rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { connectNodes, feesOf, nodeOption } from "../src/cli/connect/engine.ts";
import { openEngineJournal } from "../src/cli/connect/journal.ts";
import {
  addListeningOptions,
  callersOf,
  exposureOf,
  type ListeningOptions,
  servingOf,
} from "../src/cli/connect/listening.ts";
import { asUsage, asUsageAsync, CommandError, UsageError } from "../src/cli/exit/errors.ts";
import { type Asset, assets, assetsOf } from "../src/cli/facilitator/assets.ts";
import { addLimitOptions, type LimitOptions, limitsOf } from "../src/cli/facilitator/limits.ts";
import { readMerchants } from "../src/cli/facilitator/merchantsFile.ts";
import { examples } from "../src/cli/options/examples.ts";
import {
  addresses,
  describeUrl,
  gwei,
  integer,
  jsonOption,
  keystoreOption,
  network,
  rpcUrlOption,
  seconds,
  usdcAmount,
} from "../src/cli/options/options.ts";
import { authorizerKeyFromEnvironment } from "../src/cli/options/secrets.ts";
import { namedSigner } from "../src/cli/options/signer.ts";
import { formatTable, notice, printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { listenForStop } from "../src/cli/process/stopSignals.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { withoutTwins } from "../src/facilitator/callers/merchants.ts";
import {
  createFacilitator,
  createJsonLogger,
  DEFAULT_FACILITATOR_POLICY,
  ListenError,
  type LogLevel,
  type Merchant,
  parseMerchantKeys,
  serveFacilitator,
} from "../src/facilitator/index.ts";
import { DEFAULT_JOURNAL_PATH, type Journal } from "../src/journal/index.ts";
import { deriveAccounts, TEST_MNEMONIC } from "../src/local/accounts.ts";
import { formatAmount } from "../src/money.ts";
import { type Network, networkOf } from "../src/networks.ts";
import { SenderHeldError } from "../src/settlement/engine/errors.ts";

type Options = LimitOptions &
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
    readonly confirmations: number;
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

/** The test account that sends on the local chain. It has no USDC, so it is nobody's payer, and `fund` does not use it. */
const LOCAL_ACCOUNT = 19;

/** `tributary facilitator`: runs an x402 facilitator until it is interrupted. */
export function facilitatorCommand(): Command {
  return addListeningOptions(addLimitOptions(new Command("facilitator")))
    .description(
      "Run an x402 facilitator (v1 and v2, schemes exact and batch-settlement) whose settlements share transactions, until " +
        "Ctrl-C. On the local chain of tributary local it needs no configuration.",
    )
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(
      new Option("--network <name>", "network to serve; refuses a node on any other").env("NETWORK").argParser(network),
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
        "refuse at once (503) what is not expected to be answered within this time",
      )
        .env("ADMIT_WITHIN")
        .argParser(integer(1, 85))
        .default(DEFAULT_FACILITATOR_POLICY.admitWithinMs / 1000),
    )
    .addOption(
      new Option("--confirmations <blocks>", "how deep a payment must be to count as settled")
        .env("CONFIRMATIONS")
        .argParser(integer(1, 100))
        .default(1),
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
      new Option("--gas-floor <gas>", "gas that a call about channels may take however little it moves")
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
      new Option("--max-tip <gwei>", "the most of that for whoever makes the block (default: by network)")
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
    .option("--strict", "a payment that somebody else submitted counts as used, for payees shared between facilitators")
    .addOption(
      new Option("--grace <seconds>", "how long a stop waits for payments").argParser(seconds(600)).default(15),
    )
    .addOption(
      new Option(
        "--max-head-age <seconds>",
        "how old the newest block may be while /ready says so; 0 for any age (default: 15, or 8 blocks' time)",
      )
        .env("MAX_HEAD_AGE")
        .argParser(integer(0, 86_400)),
    )
    .addOption(
      new Option("--log-level <level>", "what goes to stderr, as lines of JSON")
        .env("LOG_LEVEL")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addOption(jsonOption())
    .addHelpText("after", examples("facilitator", "facilitator --network base-sepolia --keystore key.json --port 80"))
    .action(runFacilitator);
}

async function runFacilitator(options: Options, command: Command): Promise<void> {
  const stop = listenForStop();
  const merchants = await merchantsOf(options);
  const client = await connect(options);
  const isDevelopment = await isDevelopmentChain(client, options.rpcUrl);
  const sender = await senderOf(options, client, isDevelopment);
  const router = await readRouterCode(client);
  if (router.status === "differs") {
    throw new UsageError("The code at the router's address is another router's.", {
      hint: "Do not use this node before you know why; tributary doctor says more.",
    });
  }
  const place = options.databaseUrl ?? DEFAULT_JOURNAL_PATH;
  const journal = await openEngineJournal({ journal: options.databaseUrl, rpcUrl: options.rpcUrl }, client);
  const logger = createJsonLogger(options.logLevel);
  const served = await listen({ options, client, sender, journal, logger, merchants }).catch(async (error: unknown) => {
    await journal.close();
    throw error;
  });
  const variable = command.getOptionValueSource("host") === "env" ? "HOST" : undefined;
  const exposure = exposureOf("the facilitator listens", options.host, variable);
  if (exposure !== undefined) {
    logger.warn(exposure);
    if (options.json !== true) notice(`warning: ${exposure}`);
  }
  if (options.json === true) {
    printJson({
      url: served.url,
      network: `eip155:${client.chain.id}`,
      sender: sender.address,
      journal: describeJournal(place),
      batches: router.status === "matches",
      merchants: merchants.map(({ id }) => id),
    });
  } else
    printLine(describe(options, client, sender.address, served.url, place, router.status === "matches", merchants));
  const hasEnded = await Promise.race([
    stop.asked.then(() => false),
    ...(isDevelopment ? [untilBegunAnew(journal, client, stop.signal).then(() => true)] : []),
  ]);
  if (!hasEnded && options.json !== true) {
    notice("stopping: no new payments, waiting for those that are on their way");
  }
  await served.close({ graceMs: hasEnded ? 0 : options.grace * 1000 });
  await journal.close();
  if (hasEnded) {
    throw new CommandError(
      "The local chain began anew: what was on its way is gone with the one before.",
      EXIT.failure,
      {
        hint: "Start the facilitator again.",
      },
    );
  }
}

async function listen({
  options,
  client,
  sender,
  journal,
  logger,
  merchants,
}: {
  readonly options: Options;
  readonly client: ChainClient;
  readonly sender: LocalAccount;
  readonly journal: Journal;
  readonly logger: ReturnType<typeof createJsonLogger>;
  readonly merchants: readonly Merchant[];
}) {
  const { rateLimit, payerCap, confirmations } = options;
  const creating = createFacilitator(client, {
    nodes: await connectNodes(client, options.node),
    journal,
    senders: [sender],
    logger,
    policy: {
      ...limitsOf(options, client.chain.id, await isDevelopmentChain(client, options.rpcUrl)),
      assets: assetsOf(options, client),
      factories: options.factory ?? [],
      unbatchedPayees: options.unbatched ?? [],
      strict: options.strict === true,
      answerWithinMs: options.answerWithin * 1000,
      admitWithinMs: options.admitWithin * 1000,
      gasFloor: BigInt(options.gasFloor),
      etherMicroUsd: options.ethUsd,
    },
    engine: {
      confirmations,
      payerUnsettledCap: payerCap,
      leaseTtlMs: options.lease * 1000,
      fees: feesOf(options),
    },
    ...callersOf(options),
    merchants,
    merchantsOnly: options.merchantsOnly === true,
    channels: { authority: channelAuthority() },
    rateLimit: rateLimit === undefined ? undefined : { perSecond: rateLimit, burst: rateLimit * 2 },
    maxHeadAgeSeconds: options.maxHeadAge === 0 ? Number.POSITIVE_INFINITY : options.maxHeadAge,
  });
  // A key that another process has is bad usage, as it is with every command.
  const facilitator = await creating.catch((error: unknown) =>
    error instanceof SenderHeldError ? asUsageAsync(Promise.reject(error)) : Promise.reject(error),
  );
  if (options.json !== true) for (const warning of facilitator.warnings) notice(`warning: ${warning}`);
  try {
    return await serveFacilitator(facilitator, servingOf(options));
  } catch (error) {
    await facilitator.close({ graceMs: 0 });
    if (!(error instanceof ListenError)) throw error;
    throw new UsageError(error.shortMessage, {
      hint: "Stop what listens there, or pass --port 0 for a free one.",
      cause: error,
    });
  }
}

function channelAuthority(): LocalAccount | undefined {
  const key = authorizerKeyFromEnvironment();
  return key === undefined ? undefined : privateKeyToAccount(key);
}

/** The merchants of the file and of `MERCHANT_KEYS`. */
async function merchantsOf({ merchants: path, merchantsOnly }: Options): Promise<readonly Merchant[]> {
  const listed = path === undefined ? [] : await readMerchants(path);
  const keys = currentRun().env.MERCHANT_KEYS ?? "";
  const merchants = asUsage(() => withoutTwins([...listed, ...(keys === "" ? [] : parseMerchantKeys(keys))]));
  if (merchants.length > 0 || merchantsOnly !== true) return merchants;
  throw new UsageError("Only merchants are to be served, and there are none.", {
    hint: "Name them with --merchants FILE or in MERCHANT_KEYS.",
  });
}

/** The keystore or `PRIVATE_KEY`; on a development chain a test account stands in. */
async function senderOf(options: Options, client: ChainClient, isDevelopment: boolean): Promise<LocalAccount> {
  const named = await namedSigner(options.keystore);
  if (named !== undefined) return named;
  const [account] = isDevelopment ? deriveAccounts(TEST_MNEMONIC, 1, LOCAL_ACCOUNT) : [];
  if (account === undefined) {
    throw new UsageError(`No key to send from on ${networkOf(client.chain.id)?.title ?? `chain ${client.chain.id}`}.`, {
      hint: "Pass --keystore FILE (make one with: tributary keys new) or set PRIVATE_KEY in the environment.",
    });
  }
  return privateKeyToAccount(account.privateKey);
}

function describe(
  options: Options,
  client: ChainClient,
  sender: Address,
  url: string,
  place: string,
  hasRouter: boolean,
  merchants: readonly Merchant[],
): string {
  const known = networkOf(client.chain.id);
  const served = assetsOf(options, client).map(({ address: token, minimum }) => {
    const name = token === known?.usdc.address ? `USDC ${token}` : token;
    return minimum === 0n ? name : `${name}, from ${formatAmount(minimum, 6)}`;
  });
  const rows = [
    ["url", url],
    ["network", `${known?.title ?? "chain"} eip155:${client.chain.id} at ${describeUrl(options.rpcUrl)}`],
    ["assets", served.join("; ")],
    ["sends from", sender],
    ["journal", place === ":memory:" ? "in memory: it ends with this process" : describeJournal(place)],
    ...(merchants.length === 0
      ? []
      : [["merchants", merchants.map(({ id }) => id).join(", ") + (options.merchantsOnly ? ", and nobody else" : "")]]),
    [
      "settles",
      hasRouter ? "in batches, through the router" : "one by one: there is no settlement router on this chain",
    ],
  ];
  return `${formatTable([{ title: "Facilitator listening" }, { title: "" }], rows)}\n\nCtrl-C stops it.`;
}

/** A database's address without its password. */
function describeJournal(place: string): string {
  if (!/^postgres(ql)?:/i.test(place) || !URL.canParse(place)) return place;
  const { protocol, host, pathname } = new URL(place);
  return `${protocol}//${host}${pathname}`;
}
