import { InvalidArgumentError, Option } from "commander";
import { type Address, getAddress, isAddress } from "viem";
import { TributaryError } from "../../errors.ts";
import { parseAmount } from "../../money.ts";
import { findNetwork, type Network } from "../../networks.ts";

const DEFAULT_RPC_URL = "http://127.0.0.1:8545";

/** `--rpc-url`, else `RPC_URL`, else the local chain. */
export function rpcUrlOption(): Option {
  return new Option("--rpc-url <url>", "JSON-RPC endpoint of the chain")
    .env("RPC_URL")
    .default(DEFAULT_RPC_URL)
    .argParser(httpUrl);
}

/** `--json`: one line of JSON on stdout instead of text for people. */
export function jsonOption(): Option {
  return new Option("--json", "print one line of JSON");
}

/** `--keystore FILE`: see `resolveSigner`. */
export function keystoreOption(): Option {
  return new Option(
    "--keystore <file>",
    "encrypted keystore of the sending key, or hardhat:NAME for a variable in Hardhat's keystore (else PRIVATE_KEY in the environment)",
  );
}

/** Returns a parser of a whole number from `minimum` to `maximum`. */
export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(
      maximum === Number.MAX_SAFE_INTEGER
        ? `Write a whole number from ${minimum} up.`
        : `Write a whole number from ${minimum} to ${maximum}.`,
    );
  };
}

/** Returns a parser of a duration in seconds from 0 to `maximum`, with at most three decimals. */
export function seconds(maximum: number): (text: string) => number {
  return (text) => {
    const value = /^[0-9]{1,9}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (value <= maximum) return value;
    throw new InvalidArgumentError(`Write a number of seconds from 0 to ${maximum}.`);
  };
}

/** Reads a share from 0 to 1, with at most four decimals. */
export function share(text: string): number {
  const value = /^[01](\.[0-9]{1,4})?$/.test(text) ? Number(text) : Number.NaN;
  if (value <= 1) return value;
  throw new InvalidArgumentError("Write a share from 0 to 1, such as 0.05.");
}

/** Reads a point in time in Unix seconds. */
export function unixSeconds(text: string): bigint {
  if (/^[0-9]{1,78}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("Write a time in Unix seconds, such as 1767225600.");
}

/** Reads an http(s) URL. */
export function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return text;
  throw new InvalidArgumentError("Write a URL that starts with http:// or https://.");
}

/** Reads an address: all lower case, all upper case, or with a valid EIP-55 checksum. */
export function address(text: string): Address {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) throw new InvalidArgumentError("Write an address: 0x and 40 hex digits.");
  const digits = text.slice(2);
  const mixed = digits !== digits.toLowerCase() && digits !== digits.toUpperCase();
  if (mixed && !isAddress(text)) {
    throw new InvalidArgumentError("Its checksum (EIP-55) is wrong: copy the address again.");
  }
  return getAddress(text.toLowerCase());
}

/** Like {@link address}, gathered from an option that may be repeated. */
export function addresses(text: string, earlier: readonly Address[] | undefined): readonly Address[] {
  return [...(earlier ?? []), address(text)];
}

/** Reads an amount in whole USDC, such as 1.5, into atomic units. */
export function usdcAmount(text: string): bigint {
  return asArgument(() => parseAmount(text, 6));
}

/** Reads a price per gas in gwei, such as 0.05, into wei. */
export function gwei(text: string): bigint {
  return asArgument(() => parseAmount(text, 9));
}

/** Reads a network by any of its names. */
export function network(text: string): Network {
  return asArgument(() => findNetwork(text));
}

/** `url` without path, query and credentials, which often hold an API key. */
export function describeUrl(url: string): string {
  return new URL(url).origin;
}

function asArgument<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    throw new InvalidArgumentError([error.shortMessage, error.hint ?? ""].join(" ").trimEnd());
  }
}
