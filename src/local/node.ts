import { fileURLToPath } from "node:url";
import type { Hex } from "viem";
import { nodeTooOld } from "../nodeVersion.ts";
import { HardhatUnavailableError } from "./errors.ts";
import type { DevelopmentNode, Notification } from "./node/port.ts";

export type { DevelopmentNode, Notification, Request } from "./node/port.ts";

export type DevelopmentNodeOptions = {
  readonly chainId: number;
  readonly privateKeys: readonly Hex[];
  readonly balancePerAccountWei: bigint;
  /** Whether a block's transactions are in the order in which they came. By default, the highest tip comes first. */
  readonly firstComeFirstServed: boolean;
};

const INSTALL_HINT = "npm install --save-dev hardhat@3.17.0";

/**
 * Starts Hardhat's simulated chain (EDR) in this process. Hardhat is loaded here and nowhere else, through
 * `hardhat/hre`, which needs no configuration file.
 *
 * @throws HardhatUnavailableError if Hardhat 3 is missing or cannot run.
 */
export async function openDevelopmentNode(options: DevelopmentNodeOptions): Promise<DevelopmentNode> {
  const tooOld = nodeTooOld("The local chain");
  if (tooOld !== undefined) throw new HardhatUnavailableError(tooOld.shortMessage, tooOld);
  const hardhat = await importHardhat();
  const { chainId, privateKeys, balancePerAccountWei, firstComeFirstServed } = options;
  try {
    environment ??= createEnvironment(hardhat);
    const { network } = await environment;
    const beganAt = Date.now();
    const connection = await network.create({
      network: "local",
      override: {
        chainId,
        networkId: chainId,
        // Without it, the chain's clock is behind by the age of the environment.
        initialDate: new Date(beganAt),
        accounts: privateKeys.map((privateKey) => ({ privateKey, balance: balancePerAccountWei })),
        mining: { auto: true, interval: 0, mempool: { order: firstComeFirstServed ? "fifo" : "priority" } },
      },
    });
    const { provider } = connection;
    // A busy machine takes seconds to load the chain, and its clock would be behind by as much.
    const lateSeconds = Math.floor((Date.now() - beganAt) / 1000);
    if (lateSeconds > 0) await provider.request({ method: "evm_increaseTime", params: [lateSeconds] });
    return {
      request: (method, params = []) => provider.request({ method, params: [...params] }),
      onNotification: (listener) => {
        const forward = (notification: unknown): void => {
          if (isNotification(notification)) listener(notification);
        };
        provider.on("notification", forward);
        return () => void provider.removeListener("notification", forward);
      },
      close: () => connection.close(),
    };
  } catch (cause) {
    // The next call may succeed.
    environment = undefined;
    throw new HardhatUnavailableError("Hardhat could not start its simulated chain.", {
      details: cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause),
      hint: `Reinstall it: ${INSTALL_HINT}`,
      cause,
    });
  }
}

/**
 * Kept, since loading Hardhat takes longer than starting a chain in it. The chains of one environment share nothing.
 */
let environment: ReturnType<typeof createEnvironment> | undefined;

function createEnvironment({ createHardhatRuntimeEnvironment }: Awaited<ReturnType<typeof importHardhat>>) {
  // Without a folder, Hardhat wants a package.json above the working directory.
  const here = fileURLToPath(new URL(".", import.meta.url));
  return createHardhatRuntimeEnvironment(
    {
      // No compiled contracts are here. In a checkout, Hardhat would read all of them before the first chain.
      paths: { artifacts: here },
      networks: {
        local: {
          type: "edr-simulated",
          // "op" would charge a data fee, but its newest hardfork here does not cap a transaction's gas.
          chainType: "l1",
          hardfork: "osaka",
          blockGasLimit: 120_000_000n,
          initialBaseFeePerGas: 5_000_000n,
          // Otherwise every block is at least a second after its parent, and a burst of blocks outruns the wall clock.
          allowBlocksWithSameTimestamp: true,
          // A transaction that reverts is mined and has a receipt, as on a public node.
          throwOnTransactionFailures: false,
        },
      },
    },
    {},
    here,
  );
}

async function importHardhat() {
  try {
    return await import("hardhat/hre");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const reason =
      code === "ERR_MODULE_NOT_FOUND"
        ? "The local chain needs Hardhat 3, which is not installed."
        : code === "ERR_PACKAGE_PATH_NOT_EXPORTED"
          ? "The local chain needs Hardhat 3; the one that is installed is older."
          : "Hardhat could not be loaded.";
    throw new HardhatUnavailableError(reason, { hint: INSTALL_HINT, cause });
  }
}

function isNotification(value: unknown): value is Notification {
  return (
    typeof value === "object" && value !== null && "subscription" in value && typeof value.subscription === "string"
  );
}
