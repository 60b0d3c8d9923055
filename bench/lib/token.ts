import { type Address, numberToHex } from "viem";
import type { Request } from "../../src/local/node.ts";
import { networks } from "../../src/networks.ts";
import { balanceSlot } from "./random.ts";

const AT_ONCE = 200;

/** Writes balances of USDC into the token's storage: no transaction, no block. */
export async function setBalances(request: Request, accounts: readonly Address[], amount: bigint): Promise<void> {
  const value = numberToHex(amount, { size: 32 });
  for (let i = 0; i < accounts.length; i += AT_ONCE) {
    await Promise.all(
      accounts
        .slice(i, i + AT_ONCE)
        .map((account) =>
          request("hardhat_setStorageAt", [networks.baseSepolia.usdc.address, balanceSlot(account), value]),
        ),
    );
  }
}
