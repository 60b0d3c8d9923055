import { type Address, encodeFunctionData, type Hex, size } from "viem";
import { recoverSigner } from "../../authorization/recover.ts";
import { findSignatureDefect } from "../../authorization/signature.ts";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { isSelfSigned, transactionGasOf } from "../../channels/calls.ts";
import { CLAIM_GAS, CLAIM_ROW_GAS } from "../../channels/gas.ts";
import { BATCH_SETTLEMENT_ADDRESS, channelIdOf, type VoucherClaim } from "../../channels/index.ts";
import { nameChannelRevert } from "../../channels/reverts.ts";
import { hashVoucher } from "../../channels/typedData.ts";
import { walletGas } from "../../gas/budget.ts";
import type { ChainClient } from "../client.ts";
import { readChannels } from "../facts/channels.ts";
import { readCodes } from "../facts/facts.ts";
import { preflightCall } from "./preflightCall.ts";

/** A row of a claim that makes the whole claim fail, or may do so. */
export type BadRow = { readonly index: number; readonly reason: string };

/** The reason of rows that were not checked one by one, because too many others made their claim fail. */
export const NOT_EXAMINED = "NotExamined";

/** The most eth_calls that try parts of a claim. The reads of channels and of code come on top. */
export const MAX_CLAIM_CALLS = 16;

/** How many rows are checked before other work has its turn. */
const AT_ONCE = 16;

/**
 * Finds the rows that make a claim fail. Ceilings and signatures of keys are checked without a node, balances with the
 * state that is read first. The other rows are tried in eth_calls: those of keys, then those of wallets with code,
 * which decide about their vouchers themselves (ERC-1271). A part that fails is halved, with at most
 * {@link MAX_CLAIM_CALLS} calls in all. The calls are made in the name of an account that may claim without a
 * signature, so a part needs no signature of its own. A bad row does not harm a good one: whether a row can be claimed
 * depends on its own channel.
 * @param by The account that claims in its own name; by default the rows' common receiver authorizer.
 * @param signerGas Gas that a wallet may take to check one voucher.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function findBadRows(
  client: ChainClient,
  rows: readonly VoucherClaim[],
  { by, signerGas }: { readonly by?: Address; readonly signerGas?: bigint } = {},
): Promise<readonly BadRow[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const account = by ?? first.voucher.channel.receiverAuthorizer;
  const ids = rows.map(({ voucher }) => channelIdOf(client.chain.id, voucher.channel));
  const payers = rows
    .filter(({ voucher }) => isSelfSigned(voucher.channel))
    .map(({ voucher }) => voucher.channel.payer);
  const [states, withCode] = await Promise.all([
    readChannels(client, ids),
    readCodes(client, first.voucher.channel.token, payers),
  ]);

  const bad: BadRow[] = [];
  const plain: number[] = [];
  const wallets: number[] = [];
  for (const [index, row] of rows.entries()) {
    const { voucher, totalClaimed } = row;
    const { balance = 0n, totalClaimed: claimed = 0n } = states[index] ?? {};
    const { receiverAuthorizer, payer } = voucher.channel;
    const isWallet = isSelfSigned(voucher.channel) && withCode.has(payer.toLowerCase());
    if (index % AT_ONCE === AT_ONCE - 1) await new Promise(setImmediate);
    // The checks are in the contract's order. The contract skips rows that are claimed already.
    if (by === undefined && !isSame(receiverAuthorizer, account)) bad.push({ index, reason: "NotReceiverAuthorizer" });
    else if (totalClaimed <= claimed) plain.push(index);
    else if (totalClaimed > voucher.maxClaimableAmount) bad.push({ index, reason: "ClaimExceedsCeiling" });
    else if (totalClaimed > balance) bad.push({ index, reason: "ClaimExceedsBalance" });
    else if (isWallet) wallets.push(index);
    else if (await isSignedByKey(client.chain.id, ids[index]!, row)) plain.push(index);
    else bad.push({ index, reason: "InvalidSignature" });
  }

  let calls = MAX_CLAIM_CALLS;
  const search = async (part: readonly number[], checks: number): Promise<void> => {
    if (part.length === 0) return;
    calls -= 1;
    if (calls < 0) {
      bad.push(...part.map((index) => ({ index, reason: NOT_EXAMINED })));
      return;
    }
    const some = part.map((index) => rows[index]!);
    const data = encodeFunctionData({ abi, functionName: "claim", args: [some] });
    const modelGas = transactionGasOf({ data, gas: CLAIM_GAS + CLAIM_ROW_GAS * BigInt(part.length) });
    const gas = modelGas + walletGas(checks * part.length, signerGas);
    const reason = await preflightCall(client, { from: account, to: BATCH_SETTLEMENT_ADDRESS, data, gas });
    if (reason === undefined) return;
    if (part.length === 1) {
      bad.push({ index: part[0]!, reason: reason === "0x" ? "OutOfGas" : nameChannelRevert(reason) });
      return;
    }
    const middle = Math.ceil(part.length / 2);
    await search(part.slice(0, middle), checks);
    await search(part.slice(middle), checks);
  };
  // Rows of keys go first: wallets must not use up the calls that these may need.
  await search(plain, 0);
  await search(wallets, 1);
  return bad.sort((a, b) => a.index - b.index);
}

/** Whether a voucher is signed by the key that its channel names, in the form that the contract takes. */
async function isSignedByKey(chainId: number, channelId: Hex, { voucher, signature }: VoucherClaim): Promise<boolean> {
  const { channel, maxClaimableAmount } = voucher;
  if (size(signature) !== 65 || findSignatureDefect(signature) !== undefined) return false;
  const signer = await recoverSigner(hashVoucher(chainId, channelId, maxClaimableAmount), signature);
  return signer === (isSelfSigned(channel) ? channel.payer : channel.payerAuthorizer).toLowerCase();
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
