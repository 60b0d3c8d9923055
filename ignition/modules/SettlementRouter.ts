import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import { settlementRouterArtifact } from "../../src/contracts/SettlementRouter.ts";

/**
 * Deploys the checked-in artifact, never a fresh compile: the router's address follows from these very bytes. Run it with
 * the `create2` strategy and the salt in src/deployment.ts, as `tributary deploy` does.
 */
export const settlementRouterModule = buildModule("SettlementRouter", (m) => ({
  router: m.contract("SettlementRouter", {
    ...settlementRouterArtifact,
    _format: "hh3-artifact-1",
    sourceName: "contracts/SettlementRouter.sol",
    abi: [...settlementRouterArtifact.abi],
    linkReferences: {},
    deployedLinkReferences: {},
  }),
}));

export default settlementRouterModule;
