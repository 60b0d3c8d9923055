/** Where the library logs what it does. Fields never hold keys, passphrases or signatures. */
export type Logger = Readonly<
  Record<"debug" | "info" | "warn" | "error", (message: string, fields?: Readonly<Record<string, unknown>>) => void>
>;

const ignore = (): void => undefined;

/** Logs nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
