import { readFile } from "node:fs/promises";
import { type Merchant, parseMerchants } from "../../facilitator/callers/merchants.ts";
import { asUsage, UsageError } from "../exit/errors.ts";

/**
 * The merchants in a JSON file.
 * @throws UsageError if it cannot be read, or is not a list of merchants.
 */
export async function readMerchants(path: string): Promise<readonly Merchant[]> {
  const json = await readJson(path);
  return asUsage(() => parseMerchants(json));
}

async function readJson(path: string): Promise<unknown> {
  try {
    const json: unknown = JSON.parse(await readFile(path, "utf8"));
    return json;
  } catch {
    throw new UsageError(`The list of merchants ${path} cannot be read.`, {
      hint: "Check the path, and that it holds JSON; docs/facilitator.md shows one.",
    });
  }
}
