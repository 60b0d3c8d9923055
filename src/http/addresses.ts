import { BlockList, isIP } from "node:net";
import { TributaryError } from "../errors.ts";

/** A text that names neither an IP address nor a network. */
export class AddressRangeError extends TributaryError {
  override readonly name = "AddressRangeError";
}

/** Whether an IP address, in the spelling of {@link readAddress}, is in a set. */
export type AddressSet = (address: string) => boolean;

/** The most hops of a forwarded request that are looked at. Each is a proxy that the operator trusts. */
const MOST_HOPS = 16;

/** The address of a caller that has none, such as one over a Unix socket. */
const UNKNOWN = "unknown";

/** The loopback addresses: this machine calls itself. */
export const isLoopback: AddressSet = createAddressSet(["127.0.0.0/8", "::1"]);

/**
 * Makes a set of a list of IP addresses and networks (`10.0.0.0/8`, `fd00::/8`).
 * @throws AddressRangeError for a text that is neither, and for a network that is the whole internet.
 */
export function createAddressSet(ranges: readonly string[]): AddressSet {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits, ...rest] = range.trim().split("/");
    const family = isIP(network);
    const type = family === 4 ? "ipv4" : "ipv6";
    const length = bits === undefined ? undefined : Number(bits);
    const isLength = bits === undefined || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
    if (family === 0 || !isLength || rest.length > 0) {
      throw new AddressRangeError(`"${range.trim().slice(0, 64)}" is neither an IP address nor a network.`, {
        hint: "Write an address such as 10.1.2.3, or a network such as 10.0.0.0/8.",
      });
    }
    if (length === 0) {
      throw new AddressRangeError(`"${range.trim()}" is every address.`, {
        hint: "Name the addresses that are meant: with all of them, callers could choose their own.",
      });
    }
    if (length === undefined) list.addAddress(network, type);
    else list.addSubnet(network, length, type);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
  };
}

/**
 * Reads an IP address and writes it in one spelling; undefined if it is none. An IPv4 address within an IPv6 one
 * (`::ffff:10.1.2.3`) becomes that IPv4 address. A port behind it and a zone (`%eth0`) are left out.
 */
export function readAddress(text: string): string | undefined {
  const trimmed = text.trim();
  const bare = /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(trimmed)?.[1] ?? /^([0-9.]+):[0-9]{1,5}$/.exec(trimmed)?.[1];
  const address = (bare ?? trimmed).replace(/%.*$/, "");
  const family = isIP(address);
  if (family === 0) return undefined;
  if (family === 4) return address;
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const [high, low] = [Number.parseInt(mapped[1] ?? "", 16), Number.parseInt(mapped[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/**
 * The party that an address counts as: itself, or its /64 if it is an IPv6 address. Whoever has one address of a /64
 * has all of them.
 * @param address In the spelling of {@link readAddress}.
 */
export function partyOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [left = "", right] = address.split("::", 2);
  const groups = left === "" ? [] : left.split(":");
  if (right !== undefined) {
    const after = right === "" ? [] : right.split(":");
    while (groups.length + after.length < 8) groups.push("0");
    groups.push(...after);
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/**
 * The party that a request comes from. It is the peer, unless the peer is a trusted proxy. Then it is the last entry of
 * X-Forwarded-For that is no trusted proxy. The caller wrote what stands before that entry, so it counts for nothing.
 * If an entry is no address, the proxy that wrote it is taken for the caller.
 * @param peer The address at the other end of the connection.
 * @param forwardedFor The header X-Forwarded-For.
 */
export function callerAddressOf(
  peer: string | undefined,
  forwardedFor: string | undefined,
  isTrustedProxy: AddressSet,
): string {
  let address = readAddress(peer ?? "");
  if (address === undefined) return UNKNOWN;
  const hops = (forwardedFor ?? "").split(",");
  for (let i = 0; i < MOST_HOPS && isTrustedProxy(address); i += 1) {
    const hop = readAddress(hops.pop() ?? "");
    if (hop === undefined) break;
    address = hop;
  }
  return partyOf(address);
}
