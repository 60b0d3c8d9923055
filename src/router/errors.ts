import { TributaryError } from "../errors.ts";

/** A batch that the wire format cannot carry. */
export class RouterEncodingError extends TributaryError {
  override readonly name = "RouterEncodingError";
}

/** Calldata that is not a call of `SettlementRouter.settle`, or whose batch is malformed. */
export class RouterDecodingError extends TributaryError {
  override readonly name = "RouterDecodingError";
}
