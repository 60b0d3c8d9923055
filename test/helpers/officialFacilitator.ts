import { x402Facilitator } from "@x402/core/facilitator";
import type { FacilitatorClient } from "@x402/core/server";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { createWalletClient, http, type LocalAccount, publicActions } from "viem";
import { baseSepolia } from "viem/chains";
import { networks } from "../../src/networks.ts";

/**
 * The official facilitator of `batch-settlement` in this process. It sends each call in a transaction of its own from
 * `account`, and signs as receiver authorizer where `authorizer` is given.
 */
export function officialFacilitator(
  rpcUrl: string,
  account: LocalAccount,
  authorizer?: LocalAccount,
): FacilitatorClient {
  const sender = createWalletClient({
    account,
    chain: baseSepolia,
    transport: http(rpcUrl),
    pollingInterval: 20,
  }).extend(publicActions);
  // The packages type ABIs and EIP-712 messages as records of anything.
  const signer = toFacilitatorEvmSigner({ ...sender, address: account.address } as unknown as Parameters<
    typeof toFacilitatorEvmSigner
  >[0]);
  const scheme = new BatchSettlementEvmScheme(signer, authorizer);
  const official = new x402Facilitator().register(networks.baseSepolia.caip2, scheme);
  return {
    verify: (payload, requirements) => official.verify(payload, requirements),
    settle: (payload, requirements) => official.settle(payload, requirements),
    getSupported: async () => official.getSupported() as Awaited<ReturnType<FacilitatorClient["getSupported"]>>,
  };
}
