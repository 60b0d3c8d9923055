import { TributaryError } from "../errors.ts";

/** Hardhat or one of its plugins is missing or cannot run. They are optional peers. */
export class IgnitionUnavailableError extends TributaryError {
  override readonly name = "IgnitionUnavailableError";
}

/** The chain lacks what a deployment needs, or the account cannot pay for it. Nothing was sent. */
export class DeploymentRefusedError extends TributaryError {
  override readonly name = "DeploymentRefusedError";
}

/** The deployment ended without the router at its address. A transaction may have been sent. */
export class DeploymentFailedError extends TributaryError {
  override readonly name = "DeploymentFailedError";
}

/** The explorer did not verify the source code. The deployment itself is not affected. */
export class VerificationFailedError extends TributaryError {
  override readonly name = "VerificationFailedError";
}
