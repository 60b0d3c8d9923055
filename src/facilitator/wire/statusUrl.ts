import { TributaryError } from "../../errors.ts";
import type { ExactRequest } from "./body.ts";

/** The address that others reach a facilitator by is none. */
export class PublicUrlError extends TributaryError {
  override readonly name = "PublicUrlError";
}

/** Says where the status of a payment is asked for: a path, or a whole URL where the facilitator knows its own. */
export type StatusUrl = (request: Pick<ExactRequest, "required" | "authorization">) => string;

/**
 * @param publicUrl What others reach the facilitator by, a path before ours included.
 * @throws PublicUrlError where that is no http(s) URL, or holds more than one has to know.
 */
export function createStatusUrl(chainId: number, publicUrl: string | undefined): StatusUrl {
  const base = publicUrl === undefined ? "" : readPublicUrl(publicUrl);
  return ({ required, authorization: { from, nonce } }) =>
    `${base}/payments/eip155:${chainId}/${required.asset}/${from}/${nonce}`;
}

/** A public URL without a slash at its end. */
export function readPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === "";
  if (!isPlain || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // Not repeated: it may hold a password.
    throw new PublicUrlError("The public URL is no plain http(s) URL.", {
      hint: "Write it without user, query and fragment, such as https://pay.example.com.",
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
