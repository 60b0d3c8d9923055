import { TributaryError } from "../../errors.ts";

/** A request that is answered with an error of JSON-RPC. */
export class RefusedRequestError extends TributaryError {
  override readonly name = "RefusedRequestError";
  /** JSON-RPC's or geth's code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** JSON-RPC 2.0, section 5.1. */
export function invalidParams(message: string): RefusedRequestError {
  return new RefusedRequestError(-32602, message);
}

/** As geth and reth say it, so that clients understand it. */
export function nonceTooLow(next: number, nonce: number): RefusedRequestError {
  return new RefusedRequestError(-32000, `nonce too low: next nonce ${next}, tx nonce ${nonce}`);
}
