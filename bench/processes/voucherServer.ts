// A resource server that is paid by vouchers, built from official packages: `node voucherServer.ts FACILITATOR_URL PAYEE DEPOSIT
// [JOURNAL [quickened]]`, with the receiver authorizer's key in RECEIVER_AUTHORIZER_KEY. Prints the URL of what it sells. Its
// channels are in the official package's memory, or in our journal if one is named; "quickened" adds our check of vouchers.
import { HTTPFacilitatorClient, x402ResourceServer } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { loadSalePackages } from "../../demo/sale/packages.ts";
import { openShop } from "../../demo/sale/shop.ts";
import { createChannelStorage, quickenVouchers } from "../../src/keeper/index.ts";
import { networks } from "../../src/networks.ts";
import { openJournal } from "../../src/settlement/index.ts";

const [facilitatorUrl = "", payee, minDeposit, journalFile, choice] = process.argv.slice(2);
const { caip2, chainId } = networks.baseSepolia;
const receiverAuthorizerSigner = privateKeyToAccount(process.env.RECEIVER_AUTHORIZER_KEY as Hex);
const journal = journalFile === undefined ? undefined : await openJournal(journalFile);
const scheme = new BatchSettlementEvmScheme(payee as Address, {
  receiverAuthorizerSigner,
  ...(journal === undefined ? {} : { storage: createChannelStorage(journal, { chainId }) }),
});
if (choice === "quickened") quickenVouchers(scheme);
const shop = await openShop(await loadSalePackages(), {
  resources: new x402ResourceServer(new HTTPFacilitatorClient({ url: facilitatorUrl })).register(caip2, scheme),
  offer: { scheme: "batch-settlement", price: 100n, payTo: payee as Address, extra: { minDeposit } },
});
console.log(shop.url);
process.once("SIGTERM", async () => {
  await shop.close();
  await journal?.close();
  process.exit(0);
});
