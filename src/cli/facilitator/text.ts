import type { Address } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Merchant } from "../../facilitator/index.ts";
import { formatAmount } from "../../money.ts";
import { networkOf } from "../../networks.ts";
import { describeUrl } from "../options/options.ts";
import { formatTable } from "../output/output.ts";
import { assetsOf } from "./assets.ts";
import type { Options } from "./options.ts";

/** What is served and how, for people. */
export function describe(
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
export function describeJournal(place: string): string {
  if (!/^postgres(ql)?:/i.test(place) || !URL.canParse(place)) return place;
  const { protocol, host, pathname } = new URL(place);
  return `${protocol}//${host}${pathname}`;
}
