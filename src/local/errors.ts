import { TributaryError } from "../errors.ts";

/** Hardhat is missing, too old, or cannot run on this Node. It is the optional peer that runs the local chain. */
export class HardhatUnavailableError extends TributaryError {
  override readonly name = "HardhatUnavailableError";
}

/** The port that the chain should listen on is taken or not allowed. */
export class PortUnavailableError extends TributaryError {
  override readonly name = "PortUnavailableError";
  readonly port: number;

  constructor(port: number, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    super(code === "EADDRINUSE" ? `Port ${port} is already in use.` : `Cannot listen on port ${port}.`, {
      ...(code === "" ? {} : { details: code }),
      hint: "Stop what listens there, or choose another port (0 picks a free one).",
      cause,
    });
    this.port = port;
  }
}

/** The local chain could not be set up or did not do what it was asked. */
export class LocalChainError extends TributaryError {
  override readonly name = "LocalChainError";
}
