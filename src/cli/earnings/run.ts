import { type Address, isAddressEqual } from "viem";
import type { Journal } from "../../journal/index.ts";
import { networkOf, networks } from "../../networks.ts";
import { readEarnings } from "../../settlement/reports/earnings/index.ts";
import { withJournal } from "../connect/journal.ts";
import { asUsageAsync, UsageError } from "../exit/errors.ts";
import { readMerchants } from "../facilitator/merchantsFile.ts";
import { openLines } from "../input/lineFile.ts";
import type { Options } from "./options.ts";
import { linesOf } from "./text.ts";

/** Writes what was earned to a file or to stdout. */
export async function runEarnings(options: Options): Promise<void> {
  const merchantOf = await merchantsIn(options.merchants);
  await withJournal(options, async (journal) => {
    const { chainId } = options.network ?? (await networkIn(journal));
    const token = options.token ?? networkOf(chainId)?.usdc.address;
    if (token === undefined) {
      throw new UsageError(`Which token? No USDC is known on chain ${chainId}.`, { hint: "Name it with --token." });
    }
    const { since, until, payee: payees, merchant: merchants } = options;
    const earnings = await asUsageAsync(
      readEarnings(journal, { chainId, token, since, until, payees, merchants, merchantOf }),
    );
    const sink = await openLines(options.out, options.force === true);
    try {
      for (const line of linesOf(earnings, options)) await sink.write(line);
      await sink.finish();
    } catch (error) {
      await sink.discard();
      throw error;
    }
  });
}

/** The only network that the journal sent on; Base Sepolia if it sent on none. */
async function networkIn(journal: Journal): Promise<{ readonly chainId: number }> {
  const chains = [...new Set((await journal.senders()).map(({ chainId }) => chainId))];
  const [only] = chains;
  if (only === undefined) return networks.baseSepolia;
  if (chains.length === 1) return { chainId: only };
  throw new UsageError(`The journal sent on the chains ${chains.join(", ")}.`, { hint: "Choose one with --network." });
}

async function merchantsIn(file: string | undefined): Promise<((payee: Address) => string | undefined) | undefined> {
  if (file === undefined) return undefined;
  const merchants = await readMerchants(file);
  return (payee) =>
    merchants.find(({ receivers }) => receivers.some((receiver) => isAddressEqual(receiver, payee)))?.id;
}
