import { TributaryError } from "../../errors.ts";
import type { HeldLease } from "../../journal/ports/leases.ts";

/** An engine that was closed, or that another engine keeps from sending. */
export class EngineClosedError extends TributaryError {
  override readonly name = "EngineClosedError";
}

/** More callers wait for outcomes than the policy allows. Nothing was accepted of this one. */
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
