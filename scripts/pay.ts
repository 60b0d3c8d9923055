import { x402Client, x402HTTPClient } from "@x402/core/client";
import type { PaymentRequired, PaymentRequirements, SettleResponse } from "@x402/core/types";
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { Command } from "commander";
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../src/chain/client.ts";
import { isDevelopmentChain } from "../src/chain/development.ts";
import { deriveAccounts, TEST_MNEMONIC } from "../src/local/accounts.ts";
import { formatAmount } from "../src/money.ts";
import { type Network, networks } from "../src/networks.ts";
import { CommandError, UsageError } from "./cli/errors.ts";
import { EXIT } from "./cli/exitCodes.ts";
import { describeUrl, httpUrl, jsonOption, keystoreOption, rpcUrlOption, usdcAmount } from "./cli/options.ts";
import { notice, printJson, printLine } from "./cli/output.ts";
import { examples } from "./cli/program.ts";
import { namedSigner } from "./cli/signer.ts";

type Options = {
  readonly max: bigint;
  readonly rpcUrl: string;
  readonly keystore?: string;
  readonly method: string;
  readonly data?: string;
  readonly json?: true;
};

/** An offer in USDC that can be paid. */
type Offer = { readonly accepts: PaymentRequirements; readonly network: Network; readonly amount: bigint };

/** The test account that pays on the local chain: it has USDC. */
const LOCAL_PAYER = 1;

/** `tributary pay`: buys one resource. */
export function payCommand(): Command {
  return new Command("pay")
    .description("Buy an x402 resource: ask its price, pay it in USDC if it is within --max, and print what came back.")
    .argument("<url>", "the resource", httpUrl)
    .option("--max <usdc>", "the most to pay, in USDC", usdcAmount, 10_000n)
    .option("--method <method>", "HTTP method", "GET")
    .option("--data <body>", "body to send, as JSON")
    .addOption(rpcUrlOption())
    .addOption(keystoreOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("pay http://127.0.0.1:4021/weather --max 0.01"))
    .action(runPay);
}

async function runPay(url: string, options: Options): Promise<void> {
  const first = await ask(url, options, {});
  if (first.status !== 402) {
    const body = await first.text();
    if (options.json === true) printJson({ url, status: first.status, paid: "0", transaction: null, body });
    else {
      notice(`${url} answered ${first.status} without asking for a payment`);
      printLine(body);
    }
    if (!first.ok) process.exitCode = EXIT.failure;
    return;
  }
  const text = await first.text();
  const http = (signer: LocalAccount) => {
    return new x402HTTPClient(registerExactEvmScheme(new x402Client(), { signer }));
  };
  const reader = new x402HTTPClient(new x402Client());
  const asked = readPrice(
    () => reader.getPaymentRequiredResponse((name) => first.headers.get(name), parsed(text)),
    url,
  );
  const offer = cheapest(asked);
  if (offer === undefined) {
    throw new UsageError(`${url} takes no payment that can be made here; nothing was paid.`, {
      hint: "Payments are made in USDC, by the scheme exact with an EIP-3009 authorization.",
    });
  }
  const price = formatAmount(offer.amount, 6);
  if (options.json !== true) notice(`price: ${price} USDC on ${offer.network.title}, to ${offer.accepts.payTo}`);
  if (offer.amount > options.max) {
    throw new UsageError(
      `The price of ${price} USDC is above the ${formatAmount(options.max, 6)} of --max; nothing was paid.`,
      {
        hint: "Pass a larger --max if it is worth that to you.",
      },
    );
  }

  const client = http(await payerOf(options, offer.network));
  const payload = await client.createPaymentPayload({ ...asked, accepts: [offer.accepts] });
  const paid = await ask(url, options, client.encodePaymentSignatureHeader(payload));
  const body = await paid.text();
  const receipt = readReceipt(client, paid.headers);
  const hash = receipt?.transaction === "" ? undefined : receipt?.transaction;
  if (options.json === true) {
    const settled = receipt?.success === true;
    printJson({
      url,
      status: paid.status,
      paid: settled ? offer.amount : 0n,
      network: offer.network.caip2,
      payTo: offer.accepts.payTo,
      transaction: hash ?? null,
      reason: receipt?.errorReason ?? null,
      body,
    });
  } else if (paid.ok) {
    printLine(body);
    const where = hash === undefined ? "the server gave no receipt" : `transaction ${hash}`;
    notice(`paid ${price} USDC: ${where}`);
  }
  if (paid.ok) return;
  const why = receipt?.errorReason ?? readReason(client, paid.headers, body) ?? `status ${paid.status}`;
  if (receipt?.errorReason === "settlement_pending") {
    throw new CommandError("The payment was sent and is not mined yet; it may still settle.", EXIT.unknown, {
      ...(hash === undefined ? {} : { details: hash }),
      hint: "Look at the transaction before you pay again.",
    });
  }
  throw new CommandError(`The server did not sell: ${why}.`, EXIT.unsettled, {
    hint: "Its answer says that no payment was made; the signed authorization expires by itself.",
  });
}

async function ask(url: string, { method, data }: Options, headers: Record<string, string>): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      headers: { ...headers, ...(data === undefined ? {} : { "content-type": "application/json" }) },
      ...(data === undefined ? {} : { body: data }),
    });
  } catch (cause) {
    throw new CommandError(`${describeUrl(url)} cannot be reached.`, EXIT.failure, {
      hint: "Check the URL, and that the server runs.",
      cause,
    });
  }
}

function readPrice(read: () => PaymentRequired, url: string): PaymentRequired {
  try {
    return read();
  } catch (cause) {
    throw new CommandError(`${url} asks for a payment in a way that is not x402.`, EXIT.failure, { cause });
  }
}

/** The cheapest offer in a known USDC; v1 calls the amount and the network by other names. */
function cheapest({ accepts }: PaymentRequired): Offer | undefined {
  const offers = accepts.flatMap((one): Offer[] => {
    const name: string = one.network;
    const network = Object.values(networks).find(({ caip2, v1Name }) => name === caip2 || name === v1Name);
    const amount: unknown = one.amount ?? Reflect.get(one, "maxAmountRequired");
    const isPermit2 = one.extra?.assetTransferMethod === "permit2";
    if (network === undefined || one.scheme !== "exact" || isPermit2) return [];
    if (typeof amount !== "string" || !/^[0-9]{1,30}$/.test(amount)) return [];
    if (one.asset.toLowerCase() !== network.usdc.address.toLowerCase()) return [];
    return [{ accepts: one, network, amount: BigInt(amount) }];
  });
  return offers.sort((a, b) => (a.amount < b.amount ? -1 : 1))[0];
}

/** The keystore or `PRIVATE_KEY`; where the local chain runs, a test account pays on it. */
async function payerOf({ keystore, rpcUrl }: Options, network: Network): Promise<LocalAccount> {
  const named = await namedSigner(keystore);
  if (named !== undefined) return named;
  const client = await connectChain(rpcUrl).catch(() => undefined);
  if (client?.chain.id === network.chainId && (await isDevelopmentChain(client, rpcUrl))) {
    const [account] = deriveAccounts(TEST_MNEMONIC, 1, LOCAL_PAYER);
    if (account !== undefined) {
      notice(`notice: no key given; paying from test account #${LOCAL_PAYER}, ${account.address}`);
      return privateKeyToAccount(account.privateKey);
    }
  }
  throw new UsageError("No key to pay with; nothing was paid.", {
    hint: "Pass --keystore FILE (make one with: tributary keys new) or set PRIVATE_KEY in the environment.",
  });
}

function readReceipt(client: x402HTTPClient, headers: Headers): SettleResponse | undefined {
  try {
    return client.getPaymentSettleResponse((name) => headers.get(name));
  } catch {
    return undefined;
  }
}

/** Why a server asks again for a payment that it was given. */
function readReason(client: x402HTTPClient, headers: Headers, body: string): string | undefined {
  try {
    return client.getPaymentRequiredResponse((name) => headers.get(name), parsed(body)).error;
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
