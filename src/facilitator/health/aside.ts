import type { Logger } from "../../logger.ts";

/**
 * Does something besides an answer that is already decided, such as a success that was taken from the journal. If it fails, that
 * is logged, and the answer stays as it is.
 */
export async function aside<T>(logger: Logger, what: string, work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    logger.error(`${what} failed`, { error: error instanceof Error ? error.name : "unknown" });
    return undefined;
  }
}
