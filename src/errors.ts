/**
 * Base of every error that Tributary throws on purpose: what is wrong in one line, optional details, a hint that says
 * how to fix it, and the cause. None of these ever holds a secret (a key, a passphrase, a signature).
 */
export class TributaryError extends Error {
  override readonly name: string = "TributaryError";
  /** What is wrong, in one line, without details, hint or cause. */
  readonly shortMessage: string;
  readonly details: string | undefined;
  /** How to fix it, in one line. */
  readonly hint: string | undefined;

  constructor(shortMessage: string, options: { details?: string; hint?: string; cause?: unknown } = {}) {
    const lines = [shortMessage];
    if (options.details !== undefined) lines.push(`Details: ${options.details}`);
    if (options.hint !== undefined) lines.push(`Hint: ${options.hint}`);
    super(lines.join("\n"), options.cause === undefined ? undefined : { cause: options.cause });
    this.shortMessage = shortMessage;
    this.details = options.details;
    this.hint = options.hint;
  }

  /** The first error in the chain of causes that satisfies `test`, this one included. */
  walk(test: (error: unknown) => boolean): unknown {
    let error: unknown = this;
    while (error !== undefined) {
      if (test(error)) return error;
      error = error instanceof Error ? error.cause : undefined;
    }
    return undefined;
  }
}
