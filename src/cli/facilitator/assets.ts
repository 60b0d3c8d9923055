import { InvalidArgumentError } from "commander";
import type { Address } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { networkOf } from "../../networks.ts";
import { UsageError } from "../exit/errors.ts";
import { address } from "../options/options.ts";

/** A token of `--asset`, and its own smallest payment in atomic units if it has one. */
export type Asset = { readonly address: Address; readonly minimum: bigint | undefined };

/**
 * The tokens to settle: those of `--asset`, else the network's USDC.
 * @throws UsageError if there is neither.
 */
export function assetsOf(
  { asset, minAmount }: { readonly asset?: readonly Asset[]; readonly minAmount: bigint },
  client: ChainClient,
): readonly { readonly address: Address; readonly minimum: bigint }[] {
  const usdc = networkOf(client.chain.id)?.usdc.address;
  const listed = asset ?? (usdc === undefined ? [] : [{ address: usdc, minimum: undefined }]);
  if (listed.length > 0) return listed.map((one) => ({ address: one.address, minimum: one.minimum ?? minAmount }));
  throw new UsageError(`Chain ${client.chain.id} is not a known network, so there is no token to settle.`, {
    hint: "Name the token with --asset ADDRESS.",
  });
}

/** Reads `--asset`, which may be repeated. */
export function assets(text: string, earlier: readonly Asset[] | undefined): readonly Asset[] {
  const read = text.split(",").map((one): Asset => {
    const [token = "", units, ...rest] = one.trim().split("=");
    if (rest.length > 0 || (units !== undefined && !/^[0-9]{1,78}$/.test(units))) {
      throw new InvalidArgumentError("Write ADDRESS or ADDRESS=UNITS, where UNITS is the smallest payment.");
    }
    return { address: address(token), minimum: units === undefined ? undefined : BigInt(units) };
  });
  return [...(earlier ?? []), ...read];
}
