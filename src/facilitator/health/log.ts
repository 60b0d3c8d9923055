import { pino } from "pino";
import { TributaryError } from "../../errors.ts";
import type { Logger } from "../../logger.ts";

/** The least important events that are logged; `silent` logs none. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Fields that must never be logged, even if somebody passes one by mistake. */
const SECRET = ["signature", "privateKey", "key", "raw", "*.signature", "*.privateKey", "*.raw"];

/** A logger that writes one line of JSON for each event, to stderr unless `write` is given. */
export function createJsonLogger(level: LogLevel, write?: (line: string) => void): Logger {
  const target = write === undefined ? pino.destination({ fd: 2, sync: true }) : { write };
  const log = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: SECRET, remove: true } },
    target,
  );
  const at =
    (method: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      log[method](withoutBigints(fields), message);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function withoutBigints(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "bigint" ? value.toString() : value]),
  );
}

/** An error in one line, without anything that a node's URL may hold. */
export function nameError(error: unknown): string {
  if (error instanceof TributaryError) return error.shortMessage;
  return error instanceof Error ? error.name : "unknown";
}
