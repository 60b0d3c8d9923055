import { TributaryError } from "../errors.ts";

/** A record that cannot be read as an authorization: which field, what is wrong, how to fix it. */
export class AuthorizationInputError extends TributaryError {
  override readonly name = "AuthorizationInputError";
  /** Path of the field, e.g. `payload.authorization.value`; `record` for the record as a whole. */
  readonly field: string;
  /** What is wrong with the field, without its name. */
  readonly problem: string;
  /** Line of the file, from 1, if the record came from a file. */
  readonly line: number | undefined;

  constructor(field: string, problem: string, options: { hint?: string; line?: number } = {}) {
    const place = options.line === undefined ? "" : `line ${options.line}: `;
    super(`${place}${field}: ${problem}`, options.hint === undefined ? {} : { hint: options.hint });
    this.field = field;
    this.problem = problem;
    this.line = options.line;
  }

  /** The same error, placed on a line of a file. */
  atLine(line: number): AuthorizationInputError {
    return new AuthorizationInputError(this.field, this.problem, {
      line,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    });
  }
}
