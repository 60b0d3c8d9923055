import type { Command } from "commander";
import type { LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { isDevelopmentChain } from "../../chain/development.ts";
import { readRouterCode } from "../../chain/facts/routerCode.ts";
import { withoutTwins } from "../../facilitator/callers/merchants.ts";
import {
  createFacilitator,
  createJsonLogger,
  ListenError,
  type Merchant,
  parseMerchantKeys,
  serveFacilitator,
} from "../../facilitator/index.ts";
import { DEFAULT_JOURNAL_PATH, type Journal } from "../../journal/index.ts";
import { SenderHeldError } from "../../settlement/engine/errors.ts";
import { untilBegunAnew } from "../connect/beginning.ts";
import { connect } from "../connect/connect.ts";
import { connectNodes, feesOf } from "../connect/engine.ts";
import { openEngineJournal } from "../connect/journal.ts";
import { callersOf, exposureOf, servingOf } from "../connect/listening.ts";
import { asUsage, asUsageAsync, CommandError, UsageError } from "../exit/errors.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { currentRun } from "../process/surroundings.ts";
import { assetsOf } from "./assets.ts";
import { limitsOf } from "./limits.ts";
import { readMerchants } from "./merchantsFile.ts";
import type { Options } from "./options.ts";
import { channelAuthority, senderOf } from "./signers.ts";
import { describe, describeJournal } from "./text.ts";

/** Serves until it is asked to stop, or the local chain begins anew. */
export async function runFacilitator(options: Options, command: Command): Promise<void> {
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
  const { stderr } = currentRun();
  const logger = createJsonLogger(options.logLevel, (line) => stderr.write(line));
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
    notice("stopping: no new payments, waiting for those on their way");
  }
  await served.close({ graceMs: hasEnded ? 0 : options.grace * 1000 });
  await journal.close();
  if (hasEnded) {
    throw new CommandError(
      "The local chain began anew: payments that were on their way on the previous chain are gone.",
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
  const isQuick = confirmations === "preconfirmed";
  const creating = createFacilitator(client, {
    ...(await connectNodes(client, options.node)),
    journal,
    senders: [sender],
    logger,
    policy: {
      ...limitsOf(options, client.chain.id, await isDevelopmentChain(client, options.rpcUrl)),
      assets: assetsOf(options, client),
      factories: options.factory ?? [],
      unbatchedPayees: options.unbatched ?? [],
      strict: options.strict === true,
      level: isQuick ? "preconfirmed" : "included",
      answerWithinMs: options.answerWithin * 1000,
      admitWithinMs: options.admitWithin * 1000,
      gasFloor: BigInt(options.gasFloor),
      etherMicroUsd: options.ethUsd,
    },
    engine: {
      confirmations: isQuick ? 1 : confirmations,
      sendEveryMs: options.sendEvery * 1000,
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
  // A key that another process holds is bad usage, as in every command.
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

/** The merchants of the file and of `MERCHANT_KEYS`. */
async function merchantsOf({ merchants: path, merchantsOnly }: Options): Promise<readonly Merchant[]> {
  const listed = path === undefined ? [] : await readMerchants(path);
  const keys = currentRun().env.MERCHANT_KEYS ?? "";
  const merchants = asUsage(() => withoutTwins([...listed, ...(keys === "" ? [] : parseMerchantKeys(keys))]));
  if (merchants.length > 0 || merchantsOnly !== true) return merchants;
  throw new UsageError("Only merchants may be served, but there are none.", {
    hint: "Name them with --merchants FILE or in MERCHANT_KEYS.",
  });
}
