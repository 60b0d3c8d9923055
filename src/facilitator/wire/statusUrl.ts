import { TributaryError } from "../../errors.ts";
import type { ExactRequest } from "./body.ts";

/** The public URL of a facilitator cannot be used. */
export class PublicUrlError extends TributaryError {
  override readonly name = "PublicUrlError";
}

/** Gives the place of a payment's status: a path, or a whole URL if the facilitator knows its own address. */
export type StatusUrl = (request: Pick<ExactRequest, "required" | "authorization">) => string;

/**
 * @param publicUrl The address that others reach the facilitator by; it may have a path, which comes before ours.
 * @throws PublicUrlError if it is not an http(s) URL, or has a user, a password, a query or a fragment.
 */
export function createStatusUrl(chainId: number, publicUrl: string | undefined): StatusUrl {
  const base = publicUrl === undefined ? "" : readPublicUrl(publicUrl);
  return ({ required, authorization: { from, nonce } }) =>
    `${base}/payments/eip155:${chainId}/${required.asset}/${from}/${nonce}`;
}

/** Reads a public URL, and takes slashes off its end. */
export function readPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && `${url.username}${url.password}${url.search}${url.hash}` === "";
  if (!isPlain || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // The URL is not repeated, as it may hold a password.
    throw new PublicUrlError("The public URL is not a plain http(s) URL.", {
      hint: "Write it without user, query and fragment, such as https://pay.example.com.",
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
