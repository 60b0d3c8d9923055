import type { Address } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { suggestFees } from "../chain/fees/fees.ts";
import { formatEtherBriefly } from "../money.ts";
import { checked } from "./ask.ts";
import { type DoctorCheck, failed, passed, warned } from "./report.ts";

/** Gas of a small batch (about ten payments), and the most that one transaction may have (EIP-7825). */
const SMALL_BATCH_GAS = 800_000n;
const LARGEST_BATCH_GAS = 1n << 24n;

/** Whether the sending account can pay for a batch at the present gas price, without the OP-stack data fee. */
export function checkBalance(client: ChainClient, signer: Address | undefined): Promise<DoctorCheck> {
  const name = "signer";
  return checked(name, async () => {
    if (signer === undefined) {
      const fix = "Name the account that is to send.";
      return warned(name, "no sender named, so nothing can be sent", fix);
    }
    const [balance, { maxFeePerGas }] = await Promise.all([
      client.getBalance({ address: signer }),
      suggestFees(client),
    ]);
    return judgeBalance(signer, balance, maxFeePerGas);
  });
}

/** @param balance In wei. @param maxFeePerGas In wei. */
export function judgeBalance(signer: Address, balance: bigint, maxFeePerGas: bigint): DoctorCheck {
  const name = "signer";
  const found = `${signer} has ${formatEtherBriefly(balance, "down")} ETH`;
  const small = SMALL_BATCH_GAS * maxFeePerGas;
  const largest = LARGEST_BATCH_GAS * maxFeePerGas;
  if (balance < small) {
    return failed(
      name,
      `${found}; a batch of ten takes up to ${formatEtherBriefly(small, "up")}`,
      `Send ether to ${signer}.`,
    );
  }
  if (balance < largest) {
    const fix = `Send more ether to ${signer}, or keep batches small.`;
    return warned(name, `${found}; the largest batch takes up to ${formatEtherBriefly(largest, "up")}`, fix);
  }
  return passed(name, found);
}

/** Whether transactions of the sending account wait in the mempool, maybe forever. */
export function checkTxNonce(client: ChainClient, signer: Address): Promise<DoctorCheck> {
  const name = "txNonce";
  return checked(name, async () => {
    const [latest, pending] = await Promise.all([
      client.getTransactionCount({ address: signer, blockTag: "latest" }),
      client.getTransactionCount({ address: signer, blockTag: "pending" }),
    ]);
    const waiting = pending - latest;
    if (waiting <= 0) return passed(name, `next is ${latest}, nothing waits`);
    const what = waiting === 1 ? "1 transaction waits" : `${waiting} transactions wait`;
    const fix = `Check again in a minute; if txNonce ${latest} still waits, send it again with a higher fee.`;
    return warned(name, `${what} from txNonce ${latest} on`, fix);
  });
}
