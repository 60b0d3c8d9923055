import { type Address, type Hex, isAddressEqual } from "viem";

/** One call of a transaction, as the `callTracer` of geth's debug namespace reports it. */
export type CallFrame = {
  readonly type: string;
  readonly from: Address;
  readonly to: Address;
  /** The gas limit of the call. */
  readonly gas: Hex;
  readonly gasUsed: Hex;
  readonly input: Hex;
  readonly output?: Hex;
  readonly error?: string;
  readonly calls?: readonly CallFrame[];
};

type Provider = { request(call: { method: string; params: unknown[] }): Promise<unknown> };

/** The tree of calls of a mined transaction. */
export async function traceCalls(provider: Provider, hash: Hex): Promise<CallFrame> {
  const frame = await provider.request({ method: "debug_traceTransaction", params: [hash, { tracer: "callTracer" }] });
  if (!isCallFrame(frame)) throw new Error("the node answered the call tracer with something else");
  return frame;
}

function isCallFrame(value: unknown): value is CallFrame {
  return typeof value === "object" && value !== null && "gasUsed" in value && "input" in value;
}

/** The outermost calls into `target`: those that such a call makes again are inside. */
export function callsInto(frame: CallFrame, target: Address): CallFrame[] {
  if (isAddressEqual(frame.to, target)) return [frame];
  return (frame.calls ?? []).flatMap((call) => callsInto(call, target));
}

/** Gas that the calls into `target` used, with everything that they called. */
export function gasInto(frame: CallFrame, target: Address): bigint {
  return callsInto(frame, target).reduce((sum, call) => sum + BigInt(call.gasUsed), 0n);
}
