import { size } from "viem";
import { settlementRouterArtifact } from "../../contracts/SettlementRouter.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";

/** What a chain has at the router's address. `differs` means: do not send anything there. */
export type RouterCode =
  | { readonly status: "matches" }
  | { readonly status: "missing" }
  | { readonly status: "differs"; readonly bytes: number };

/**
 * Compares the code at `ROUTER_ADDRESS` with the artifact's runtime code, byte by byte.
 *
 * @throws ChainUnavailableError if the node does not return the code.
 */
export async function readRouterCode(client: Pick<ChainClient, "getCode">): Promise<RouterCode> {
  const code = await ask(`the code at ${ROUTER_ADDRESS}`, client.getCode({ address: ROUTER_ADDRESS }));
  if (code === undefined || code === "0x") return { status: "missing" };
  return code.toLowerCase() === settlementRouterArtifact.deployedBytecode.toLowerCase()
    ? { status: "matches" }
    : { status: "differs", bytes: size(code) };
}
