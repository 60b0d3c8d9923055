import { TributaryError } from "../../errors.ts";

/** What was asked of a keeper or of its storage cannot be done as things are. The hint says what would help. */
export class ChannelError extends TributaryError {
  override readonly name = "ChannelError";
}
