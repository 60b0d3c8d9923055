import { CommandError } from "../exit/errors.ts";
import { describeUrl } from "../options/options.ts";
import { EXIT } from "../process/exitCodes.ts";
import { listenForStop } from "../process/stopSignals.ts";

/** What somebody wants to buy: one request to a server. */
export type Purchase = { readonly url: string; readonly method: string; readonly data?: string | undefined };

/** A complete answer of a server. */
export type Answer = {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly body: string;
};

/** Asks a server without paying. */
export async function askPrice(purchase: Purchase): Promise<Answer> {
  try {
    return await request(purchase, {});
  } catch (cause) {
    throw new CommandError(`${describeUrl(purchase.url)} cannot be reached.`, EXIT.failure, {
      hint: "Check the URL, and that the server runs.",
      cause,
    });
  }
}

/**
 * The answer to a payment, or why there is none. Once the payment is on its way, Ctrl-C ends the wait but not the
 * program.
 */
export async function sendHeaders(
  purchase: Purchase,
  headers: Readonly<Record<string, string>>,
): Promise<Answer | { readonly lost: string }> {
  const { signal, forget } = listenForStop();
  try {
    return await request(purchase, headers, signal);
  } catch {
    return { lost: signal.aborted ? "it was interrupted" : "the answer to the payment did not arrive" };
  } finally {
    forget();
  }
}

async function request(
  { url, method, data }: Purchase,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(data === undefined ? {} : { "content-type": "application/json" }) },
    ...(data === undefined ? {} : { body: data }),
    ...(signal === undefined ? {} : { signal }),
  });
  return { status: response.status, ok: response.ok, headers: response.headers, body: await response.text() };
}
