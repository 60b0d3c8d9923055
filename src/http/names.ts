import { isIP } from "node:net";
import { isLoopback } from "./addresses.ts";

/** Whether a server that listens on this address can be reached from this machine only. */
export function isThisMachine(host: string): boolean {
  return host === "localhost" || isLoopback(host);
}

/** Says why a request with this Host header is not answered; undefined if it is. */
export type HostCheck = (host: string | undefined) => string | undefined;

/** Names of a private network, which nobody on the internet can own (RFC 6761, 6762, ICANN's reservation of `internal`). */
const PRIVATE_SUFFIXES = [".localhost", ".local", ".internal"];

/**
 * Makes the check of the header Host, which keeps strangers' pages out. A page can make its own name resolve to this
 * machine (DNS rebinding), and a browser then takes the server for the page's own. But the page cannot leave its name
 * out of Host.
 *
 * A server that only this machine reaches takes `localhost`, `127.0.0.0/8`, `[::1]` and the address it listens on. One
 * that others reach also takes every IP address, and names that no stranger can own: those without a dot, and those
 * under `.local`, `.internal` and `.localhost`. Every other name has to be among `allowed`; "*" there takes all.
 * @param listensOn The address that the server listens on.
 */
export function createHostCheck(listensOn: string, allowed: readonly string[] = []): HostCheck {
  const names = new Set(allowed.map((one) => nameOf(one) ?? one.toLowerCase()));
  if (names.has("*")) return () => undefined;
  const own = nameOf(listensOn.includes(":") ? `[${listensOn}]` : listensOn);
  const isBeyond = !isThisMachine(listensOn);
  return (host) => {
    // Browsers always send Host, so this caller is no page.
    if (host === undefined) return undefined;
    const name = nameOf(host);
    if (name === undefined) return "The header Host is not the name of a machine.";
    if (name === own || isThisMachine(name) || names.has(name)) return undefined;
    if (isBeyond && (isIP(name) !== 0 || !name.includes("."))) return undefined;
    if (isBeyond && PRIVATE_SUFFIXES.some((suffix) => name.endsWith(suffix))) return undefined;
    return `"${name}", which the header Host says, is not among the names that are served here (allowedHosts).`;
  };
}

/** What a browser says about where a request comes from. */
export type Origins = {
  /** The header Origin. */
  readonly origin: string | undefined;
  /** The header Sec-Fetch-Site, which a page cannot write. */
  readonly site: string | undefined;
  /** The header Host. */
  readonly host: string | undefined;
};

/**
 * Whether a page of another origin made a request. Programs that are no browsers send none of these headers.
 * @param allowed Origins that are welcome (`https://shop.example`); "*" allows every one.
 */
export function isForeign({ origin, site, host }: Origins, allowed: readonly string[] = []): boolean {
  if (allowed.includes("*") || site === "same-origin") return false;
  if (origin === undefined) return site === "cross-site";
  if (allowed.includes(origin.toLowerCase())) return false;
  return host === undefined || !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** The name in a Host header or of an allowed host, without its port, in one spelling; undefined if it is none. */
function nameOf(host: string): string | undefined {
  // Only a name and a port pass, so that the parser below finds no path or user in it.
  if (!/^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?$/.test(host)) return undefined;
  if (!URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}
