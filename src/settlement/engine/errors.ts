import { TributaryError } from "../../errors.ts";
import type { HeldLease } from "../../journal/ports/leases.ts";

/** The engine is closed, or was closed before the outcome that a caller waited for. */
export class EngineClosedError extends TributaryError {
  override readonly name = "EngineClosedError";
}

/** As many callers wait for outcomes as the policy allows. Nothing of this call was accepted. */
export class EngineBusyError extends TributaryError {
  override readonly name = "EngineBusyError";
}

/** Another engine holds a sending key: `lease` says which, and where it runs. */
export class SenderHeldError extends TributaryError {
  override readonly name = "SenderHeldError";
  readonly lease: HeldLease;

  constructor(lease: HeldLease, shortMessage: string, options: { details?: string; hint?: string } = {}) {
    super(shortMessage, options);
    this.lease = lease;
  }
}
