import { type Pace, USUAL_PACE } from "../../src/settlement/pace.ts";
import type { EnginePolicyOptions } from "../../src/settlement/policy.ts";

/** Parts of an engine's policy and of its pace, in one object. */
export type Tuning = EnginePolicyOptions & Partial<Pace>;

/** Splits them into policy and pace. */
export function tuned(tuning: Tuning): { readonly policy: EnginePolicyOptions; readonly pace: Partial<Pace> } {
  const parts = Object.entries(tuning);
  const isPace = ([name]: readonly [string, unknown]) => name in USUAL_PACE;
  return {
    policy: Object.fromEntries(parts.filter((part) => !isPace(part))),
    pace: Object.fromEntries(parts.filter(isPace)),
  };
}
