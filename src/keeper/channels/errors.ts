import { TributaryError } from "../../errors.ts";

/** A keeper or its storage cannot do what was asked. The hint says what would help. */
export class ChannelError extends TributaryError {
  override readonly name = "ChannelError";
}
