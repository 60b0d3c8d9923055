import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { verifySignatureOffline } from "../../src/authorization/verify.ts";
import { networks } from "../../src/networks.ts";

/** How many signatures this process checks in a second if it does nothing else. */
export async function publicKeyRecoveries(payments: readonly SignedAuthorization[]): Promise<number> {
  const check = async () => {
    for (const payment of payments) {
      const { status } = await verifySignatureOffline(payment, networks.baseSepolia.usdc);
      if (status !== "valid") throw new Error(`a signature is ${status}`);
    }
  };
  await check();
  const startedAt = performance.now();
  await check();
  return payments.length / ((performance.now() - startedAt) / 1000);
}
