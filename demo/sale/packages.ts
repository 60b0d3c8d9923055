import { UsageError } from "../../src/cli/exit/errors.ts";

/**
 * The packages of the demo's chain, resource server and buyers, at the versions that they were tested with. All of them
 * are optional peers and are loaded only here, since settling payments needs no web framework and no chain in process.
 */
export const SALE_PACKAGES: Readonly<Record<string, string>> = {
  hardhat: "3.17.0",
  express: "5.3.0",
  "@x402/express": "2.27.0",
  "@x402/fetch": "2.27.0",
};

/**
 * Loads the packages.
 * @throws UsageError if some are not installed. It says how to install them.
 */
export async function loadSalePackages() {
  const missing = Object.entries(SALE_PACKAGES).filter(([name]) => !isInstalled(name));
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(", ");
    throw new UsageError(`The demo needs packages that are not installed: ${names}.`, {
      hint: `npm install --save-dev ${missing.map(([name, version]) => `${name}@${version}`).join(" ")}`,
    });
  }
  const [express, server, client] = await Promise.all([
    import("express"),
    import("@x402/express"),
    import("@x402/fetch"),
  ]);
  return {
    express: express.default,
    paymentMiddleware: server.paymentMiddleware,
    wrapFetchWithPayment: client.wrapFetchWithPayment,
    x402Client: client.x402Client,
  };
}

export type SalePackages = Awaited<ReturnType<typeof loadSalePackages>>;

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
