import { AmountError, parseAmount } from "../../money.ts";
import type { Caller } from "../callers/caller.ts";
import { type FillPort, fill, notServed } from "./fill.ts";
import { isRoute, type Price, readDraft, readList, readRoute } from "./wire.ts";

/** An answer of /accepts. 402 is for servers that pass the answer on to the buyer as it is. */
export type AcceptsAnswer = { readonly status: 200 | 400 | 402; readonly body: object };

/**
 * Answers /accepts: servers by other authors ask it to complete their requirements before they show them to buyers. It changes
 * nothing and remembers nothing; payments are verified and settled as always.
 */
export function createAccepts(port: FillPort): (body: unknown, caller: Caller) => Promise<AcceptsAnswer> {
  return (body, caller) => (isRoute(body) ? answerRoute(port, body, caller) : answerList(port, body, caller));
}

/** Completes requirements. Those that would not be settled here are left out, with the reasons. */
async function answerList(port: FillPort, body: unknown, caller: Caller): Promise<AcceptsAnswer> {
  const list = readList(body);
  if (!list.ok) return bad(list.problem);
  const { version, resource, entries } = list.value;
  const accepts: object[] = [];
  const leftOut: string[] = [];
  for (const [index, entry] of entries.entries()) {
    const unserved = notServed(port, version, entry);
    if (unserved !== undefined) {
      leftOut.push(`accepts.${index}: ${unserved}`);
      continue;
    }
    const draft = readDraft(entry.given);
    if (!draft.ok) return bad(`accepts.${index}.${draft.problem}`);
    const filled = await fill(port, version, draft.value, caller);
    if (filled.ok) accepts.push(filled.requirement);
    else leftOut.push(`accepts.${index}: ${filled.why}`);
  }
  const error = leftOut.length === 0 ? {} : { error: `left out: ${leftOut.join("; ")}` };
  return {
    status: 200,
    body: { x402Version: version, ...(resource === undefined ? {} : { resource }), accepts, ...error },
  };
}

/** Makes a requirement from a price and a route, as thirdweb's server asks for it. */
async function answerRoute(port: FillPort, body: unknown, caller: Caller): Promise<AcceptsAnswer> {
  const read = readRoute(body);
  if (!read.ok) return bad(read.problem);
  const { version, route } = read.value;
  const unserved = notServed(port, version, route);
  if (unserved !== undefined) return bad(unserved);
  const { price, given, extra, ...rest } = route;
  const amount = await atomicOf(port, price);
  if (typeof amount === "string") return bad(`price: ${amount}`);
  const draft = {
    ...{ ...rest, amount, asset: price.asset },
    // thirdweb's client reads the amount by its v1 name in both versions. Without a primary type, it would ask the chain which
    // signature the token takes.
    given: { ...given, maxAmountRequired: amount.toString() },
    extra: { ...extra, primaryType: "TransferWithAuthorization" },
  };
  const filled = await fill(port, version, draft, caller);
  if (!filled.ok) return bad(filled.why);
  return { status: 402, body: { x402Version: version, error: "Payment required", accepts: [filled.requirement] } };
}

/** Reads a price in atomic units, or says what is wrong with it. */
async function atomicOf({ tokens }: FillPort, price: Price): Promise<bigint | string> {
  if ("amount" in price) return price.amount;
  const token = tokens.usual === undefined ? undefined : await tokens.termsOf(tokens.usual);
  if (token === undefined) return "name an asset and its amount: there is no token here for dollars";
  try {
    return parseAmount(price.dollars, token.decimals);
  } catch (error) {
    if (error instanceof AmountError) return error.shortMessage;
    throw error;
  }
}

function bad(error: string): AcceptsAnswer {
  return { status: 400, body: { error } };
}
