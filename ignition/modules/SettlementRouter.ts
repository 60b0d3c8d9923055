import { settlementRouterArtifact } from "../../src/contracts/SettlementRouter.ts";
import { IgnitionUnavailableError } from "../../src/deploy/errors.ts";
import { INSTALL_IGNITION } from "../../src/deploy/packages.ts";

const { buildModule } = await import("@nomicfoundation/hardhat-ignition/modules").catch((error: unknown) => {
  // If the optional peers are missing, say what to install instead of which file was not found.
  const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  throw new IgnitionUnavailableError(
    `tributary/ignition needs Hardhat 3 with Ignition, which ${isMissing ? "is not installed" : "cannot be loaded here"}.`,
    { ...(isMissing ? {} : { details: String(error).split("\n")[0] ?? "" }), hint: INSTALL_IGNITION },
  );
});

/**
 * Deploys the checked-in artifact, never a fresh compile, because the router's address follows from its bytes. Run it with
 * the `create2` strategy and `ROUTER_SALT`, as `deployRouter` does.
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
