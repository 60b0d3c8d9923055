import { BlockList, isIP } from "node:net";

/** Addresses that are not on the public internet: those of this machine, of private networks, and of no single machine. */
const NOT_PUBLIC = new BlockList();
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Link-local, where clouds serve their metadata.
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, "ipv4");
}
/** In IPv6 only global unicast is public, except documentation addresses and the forms that carry an IPv4 address. */
const GLOBAL = new BlockList();
GLOBAL.addSubnet("2000::", 3, "ipv6");
for (const [network, bits] of [
  // Teredo and others, documentation, 6to4.
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, "ipv6");
}
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Names that resolve only inside a machine or a network (RFC 6761, 6762, 8375, and others in use). */
const LOCAL_NAMES = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa"];

/**
 * Takes query, fragment and credentials off a URL, if it is http(s) and its host may be on the public internet: not an address of
 * a private machine or network, in any notation, and not a private name. Names are not resolved, so a name may still lead to
 * such an address.
 * @param options.loopback Whether this machine counts as public, for trying things out.
 */
export function publicUrl(text: string, options: { readonly loopback: boolean }): string | undefined {
  if (text.length > 2_048 || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  return isPublic(url.hostname, options.loopback) ? `${url.origin}${url.pathname}` : undefined;
}

/** @param hostname From the URL parser, which writes all notations of an IP address in the same way. */
function isPublic(hostname: string, loopback: boolean): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  const family = isIP(host);
  if (family !== 0) {
    const type = family === 4 ? "ipv4" : "ipv6";
    if (loopback && LOOPBACK.check(host, type)) return true;
    return !NOT_PUBLIC.check(host, type) && (type === "ipv4" || GLOBAL.check(host, type));
  }
  if (loopback && (host === "localhost" || host.endsWith(".localhost"))) return true;
  // A name without a dot is looked up in the local network.
  return host.includes(".") && !LOCAL_NAMES.some((name) => host === name || host.endsWith(`.${name}`));
}
