import { type Command, InvalidArgumentError, Option } from "commander";
import type { FacilitatorOptions, ServeOptions } from "../../facilitator/index.ts";
import { readPublicUrl } from "../../facilitator/wire/statusUrl.ts";
import { AddressRangeError, createAddressSet } from "../../http/addresses.ts";
import { isThisMachine } from "../../http/names.ts";
import { DEFAULT_CONNECTION_BOUNDS } from "../../http/server.ts";
import { asUsage } from "../exit/errors.ts";
import { integer } from "../options/options.ts";

/** Where a facilitator listens, and to whom. */
export type ListeningOptions = {
  readonly host: string;
  readonly port: number;
  readonly allowedHost?: readonly string[];
  readonly allowedOrigin?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly publicUrl?: string;
  readonly maxConnections: number;
};

/** Adds the options to a command. */
export function addListeningOptions(command: Command): Command {
  return command
    .addOption(new Option("--host <address>", "address to listen on").env("HOST").default("127.0.0.1"))
    .addOption(
      new Option("--port <number>", "port to listen on; 0 picks a free one")
        .env("PORT")
        .argParser(integer(0, 65_535))
        .default(4022),
    )
    .addOption(
      new Option(
        "--allowed-host <name>",
        "name that requests may have in Host besides localhost and --host (others: 421), or * for any; may be repeated",
      )
        .env("ALLOWED_HOSTS")
        .argParser(names),
    )
    .addOption(
      new Option(
        "--allowed-origin <origin>",
        "origin whose pages may ask here (CORS), /verify and /settle included, or * for any; may be repeated",
      )
        .env("ALLOWED_ORIGINS")
        .argParser(origins),
    )
    .addOption(
      new Option(
        "--trust-proxy <address>",
        "reverse proxy, as an IP address or network, whose X-Forwarded-For names the caller; may be repeated",
      )
        .env("TRUST_PROXY")
        .argParser(ranges),
    )
    .addOption(
      new Option(
        "--public-url <url>",
        "URL that others reach it by; then receipts give the full URL of a payment's status, not only its path",
      ).env("PUBLIC_URL"),
    )
    .addOption(
      new Option("--max-connections <count>", "connections at once, at most 3/4 of the process's descriptors")
        .env("MAX_CONNECTIONS")
        .argParser(integer(1, 1_000_000))
        .default(DEFAULT_CONNECTION_BOUNDS.maxConnections),
    );
}

/** Who may ask, and under which names, according to these options. */
export function callersOf({
  trustProxy: trustedProxies,
  allowedOrigin: allowedOrigins,
  publicUrl,
}: ListeningOptions): Pick<FacilitatorOptions, "trustedProxies" | "allowedOrigins" | "publicUrl"> {
  // Read here and not by the option's parser, whose error would show a password in the URL.
  if (publicUrl !== undefined) asUsage(() => readPublicUrl(publicUrl));
  return { trustedProxies, allowedOrigins, publicUrl };
}

/** The server's settings, according to these options. */
export function servingOf({ host, port, allowedHost, maxConnections }: ListeningOptions): ServeOptions {
  return { host, port, allowedHosts: allowedHost, connections: { maxConnections } };
}

/**
 * A warning about a server that other machines can reach; undefined if only this machine can.
 * @param variable The environment variable that the host came from, if it did.
 */
export function exposureOf(what: string, host: string, variable?: string): string | undefined {
  if (isThisMachine(host)) return undefined;
  const origin = variable === undefined ? "" : `, from ${variable} in the environment`;
  return `${what} on ${host}${origin}: other machines can reach it`;
}

/** Reads names for {@link createHostCheck}, gathered from an option that may be repeated. */
export function names(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return listed(text, earlier, (one) => {
    if (one === "*" || /^(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})$/.test(one)) return one;
    throw new InvalidArgumentError("Write names without scheme and port, such as pay.example.com, or *.");
  });
}

function origins(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return listed(text, earlier, (one) => {
    if (one === "*" || (URL.canParse(one) && new URL(one).origin === one.toLowerCase())) return one;
    throw new InvalidArgumentError("Write origins, such as https://shop.example, or *.");
  });
}

function ranges(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return listed(text, earlier, (one) => {
    try {
      createAddressSet([one]);
    } catch (error) {
      if (!(error instanceof AddressRangeError)) throw error;
      throw new InvalidArgumentError(`${error.shortMessage} ${error.hint ?? ""}`);
    }
    return one;
  });
}

function listed(text: string, earlier: readonly string[] | undefined, read: (one: string) => string) {
  return [...(earlier ?? []), ...text.split(",").map((one) => read(one.trim()))];
}
