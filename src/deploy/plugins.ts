import { fileURLToPath } from "node:url";
import { nodeTooOld } from "../nodeVersion.ts";
import { IgnitionUnavailableError } from "./errors.ts";
import { INSTALL_IGNITION } from "./packages.ts";

/** The folder that Hardhat takes for its project's. It wants a package.json there or above. */
export const PACKAGE_FOLDER = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Loads Hardhat, its plugins for a deployment and this package's Ignition module. Nothing else loads them.
 *
 * @throws IgnitionUnavailableError if one is missing, with the command that installs them.
 */
export async function loadIgnition() {
  return load(async () => {
    const [{ createHardhatRuntimeEnvironment }, ignition, ignitionViem, viem, verify, module] = await Promise.all([
      import("hardhat/hre"),
      import("@nomicfoundation/hardhat-ignition"),
      import("@nomicfoundation/hardhat-ignition-viem"),
      import("@nomicfoundation/hardhat-viem"),
      import("@nomicfoundation/hardhat-verify"),
      import("../../ignition/modules/SettlementRouter.ts"),
    ]);
    return {
      createHardhatRuntimeEnvironment,
      plugins: [ignition.default, ignitionViem.default, viem.default, verify.default],
      settlementRouterModule: module.settlementRouterModule,
    };
  });
}

/**
 * Loads Hardhat and its verification plugin.
 *
 * @throws IgnitionUnavailableError if one is missing.
 */
export async function loadVerification() {
  return load(async () => {
    const [hre, plugin, { verifyContract }] = await Promise.all([
      import("hardhat/hre"),
      import("@nomicfoundation/hardhat-verify"),
      import("@nomicfoundation/hardhat-verify/verify"),
    ]);
    return { ...hre, plugins: [plugin.default], verifyContract };
  });
}

/**
 * Loads Hardhat and its keystore plugin.
 *
 * @throws IgnitionUnavailableError if one is missing.
 */
export async function loadHardhatKeystore() {
  refuseOldNode("Hardhat's keystore");
  try {
    const [{ createHardhatRuntimeEnvironment }, { configVariable }, keystore] = await Promise.all([
      import("hardhat/hre"),
      import("hardhat/config"),
      import("@nomicfoundation/hardhat-keystore"),
    ]);
    return { createHardhatRuntimeEnvironment, configVariable, plugins: [keystore.default] };
  } catch (cause) {
    throw new IgnitionUnavailableError(
      "Hardhat's keystore needs Hardhat 3 and its plugin, which cannot be loaded here.",
      {
        details: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause),
        hint: "npm install --save-dev hardhat@3.17.0 @nomicfoundation/hardhat-keystore@3.1.0",
        cause,
      },
    );
  }
}

async function load<Loaded>(imports: () => Promise<Loaded>): Promise<Loaded> {
  refuseOldNode("A deployment");
  try {
    return await imports();
  } catch (cause) {
    throw new IgnitionUnavailableError("A deployment needs Hardhat 3 with Ignition, which cannot be loaded here.", {
      details: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause),
      hint: INSTALL_IGNITION,
      cause,
    });
  }
}

function refuseOldNode(what: string): void {
  const tooOld = nodeTooOld(what);
  if (tooOld !== undefined) throw new IgnitionUnavailableError(tooOld.shortMessage, tooOld);
}
