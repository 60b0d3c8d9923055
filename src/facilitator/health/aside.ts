import type { Logger } from "../../logger.ts";

/**
 * Does something beside an answer that stands already, such as a success that was taken from the journal: what goes wrong with
 * it is logged, and changes nothing about the answer.
 */
export async function aside<T>(logger: Logger, what: string, work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    logger.error(`${what} failed`, { error: error instanceof Error ? error.name : "unknown" });
    return undefined;
  }
}
