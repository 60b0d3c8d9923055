// The exports of "tributary/abi": the contracts' ABIs, typed as constants, and whole artifacts for tools that deploy
// them. The mocks are for local chains and tests.
import { ierc3009Artifact } from "./contracts/IERC3009.ts";
import { mockUSDCArtifact } from "./contracts/MockUSDC.ts";
import { settlementRouterArtifact } from "./contracts/SettlementRouter.ts";

export { batchSettlementAbi } from "./channels/abi.ts";
export { fiatProxyArtifact } from "./contracts/FiatProxy.ts";
export { mockBatchSettlementArtifact } from "./contracts/MockBatchSettlement.ts";
export { mockDepositCollectorArtifact } from "./contracts/MockDepositCollector.ts";
export { mockUSDCArtifact, settlementRouterArtifact };

/** ABI of the settlement router. */
export const settlementRouterAbi = settlementRouterArtifact.abi;
/** ABI of what the router needs from a token: `transferWithAuthorization` in both forms and `authorizationState`. */
export const erc3009Abi = ierc3009Artifact.abi;
/** ABI of the test USDC, which answers like Circle's FiatTokenV2_2. */
export const mockUsdcAbi = mockUSDCArtifact.abi;
