import type { PaymentState } from "../../journal/index.ts";
import { paint, type Tone } from "./terminal.ts";

const TONES: Readonly<Record<PaymentState, Tone>> = {
  queued: "open",
  batched: "open",
  submitted: "open",
  settled: "good",
  "settled-elsewhere": "good",
  "already-used": "bad",
  rejected: "bad",
  expired: "bad",
  cancelled: "faint",
};

/** A payment's state, coloured if the terminal has colours. */
export function paintState(state: PaymentState): string {
  return paint(TONES[state], state);
}
