import { TributaryError } from "../errors.ts";

/** An engine that was closed, or that another engine keeps from sending. */
export class EngineClosedError extends TributaryError {
  override readonly name = "EngineClosedError";
}

/** More callers wait for outcomes than the policy allows. Nothing was accepted of this one. */
export class EngineBusyError extends TributaryError {
  override readonly name = "EngineBusyError";
}

/** Another engine holds a sending key. */
export class SenderHeldError extends TributaryError {
  override readonly name = "SenderHeldError";
}
