import { isErc6492 } from "../../authorization/signature.ts";
import type { ExactRequest } from "../wire/body.ts";
import { fingerprintOf } from "./claims.ts";
import type { Ask } from "./types.ts";

/** A payment as admission sees it. */
export function askOf(request: ExactRequest, chainId: number, identifier?: string): Ask {
  const { required, authorization } = request;
  return {
    kind: "payment",
    network: required.network,
    tokens: [required.asset],
    amount: required.amount,
    payer: authorization.from,
    payee: authorization.to,
    deadlineSeconds: authorization.validBefore,
    signatureBytes: (request.signature.length - 2) / 2,
    deploys: isErc6492(request.signature),
    fingerprint: fingerprintOf(request, chainId),
    identifier,
  };
}
