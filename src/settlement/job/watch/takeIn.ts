import { AuthorizationInputError, type ParseContext, parseAuthorization } from "../../../authorization/index.ts";
import type { SignedAuthorization } from "../../../authorization/types.ts";
import { ChainUnavailableError } from "../../../chain/errors.ts";
import type { Clock } from "../../../clock.ts";
import type { Logger } from "../../../logger.ts";
import type { SettlementEngine } from "../../engine/types.ts";
import type { DecidedLog } from "./decidedLog.ts";
import type { TailedLine } from "./tail.ts";
import type { WatchRefusal } from "./types.ts";

/** What `takeIn` works with. */
export type TakeInPort = {
  readonly engine: SettlementEngine;
  readonly log: DecidedLog;
  /** The prefix of the sources of this watch's payments. */
  readonly prefix: string;
  readonly context: ParseContext;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
};

const RETRY_MS = 1_000;

/**
 * Stores the payments of some lines, and notes what is wrong with others. It tries until the node answers. Returns
 * false if it was told to stop before that.
 * @param name The name of the file, or `-` for a stream.
 */
export async function takeIn(port: TakeInPort, name: string, lines: readonly TailedLine[]): Promise<boolean> {
  const { engine, log, prefix, logger, signal, clock } = port;
  const good: {
    readonly authorization: SignedAuthorization;
    readonly source: string;
    readonly at: string | undefined;
  }[] = [];
  const bad: WatchRefusal[] = [];
  for (const tailed of lines) {
    const source = `${name}:${tailed.line}`;
    const at = name === "-" ? undefined : `${tailed.after.inode}:${tailed.line}`;
    const parsed = parse(tailed, port.context);
    if (parsed === undefined) continue;
    if (parsed instanceof AuthorizationInputError) {
      const { field, problem } = parsed;
      bad.push({ source, at, status: "invalid", field, message: problem });
    } else good.push({ authorization: parsed, source: prefix + source, at });
  }
  while (!signal.aborted) {
    try {
      const admissions = await engine.accept(good);
      const ids: number[] = [];
      for (const [index, { source, at }] of good.entries()) {
        const admission = admissions[index];
        const line = source.slice(prefix.length);
        if (admission === undefined) continue;
        if (admission.status === "refused") {
          const { reason, message } = admission;
          bad.push({ source: line, at, status: "rejected", reason, message });
        } else if (admission.row.source === source) ids.push(admission.row.id);
        else {
          const { id, state } = admission.row;
          bad.push({ source: line, at, status: "duplicate", duplicateOf: id, state });
        }
      }
      log.track(ids);
      for (const refusal of bad) log.refuse(refusal);
      if (bad.length > 0) await log.sync();
      return true;
    } catch (error) {
      if (!(error instanceof ChainUnavailableError)) throw error;
      logger.warn("payments are waiting: the node does not answer", { error: error.shortMessage });
      await clock.sleep(RETRY_MS, signal);
    }
  }
  return false;
}

/** The authorization of a line, or what is wrong with it; undefined if the line is blank. */
function parse(
  { line, text, problem }: TailedLine,
  context: ParseContext,
): SignedAuthorization | AuthorizationInputError | undefined {
  if (problem !== undefined) return new AuthorizationInputError("record", problem, { line });
  if (text === undefined || text === "") return undefined;
  try {
    return parseAuthorization(text, context).authorization;
  } catch (error) {
    if (error instanceof AuthorizationInputError) return error;
    throw error;
  }
}
