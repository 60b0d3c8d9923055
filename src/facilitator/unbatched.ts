import { size } from "viem";
import { authorizationId, termsDigest } from "../authorization/identity.ts";
import { normaliseSignature, unwrapErc6492 } from "../authorization/signature.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { hasCode } from "../chain/facts.ts";
import { encodeTransfer } from "../chain/preflight.ts";
import { findNonceUses } from "../chain/uses.ts";
import type { Admission } from "../settlement/intake.ts";
import type { PaymentRow, Store } from "../settlement/store/types.ts";
import { REASON } from "./reasons.ts";
import type { SettlePort } from "./settle.ts";

// Payees who want a transaction of their own for each payment: it goes as a plain call of the token through the engine.

/** How far back the use of a nonce is searched after such a call reverted. */
const LOOKBACK_BLOCKS = 2_000n;

function keyOf(signed: SignedAuthorization): string {
  return `transfer:${authorizationId(signed)}/${termsDigest(signed)}`;
}

/** The journal's row of a payment that went alone. */
export async function rowAlone(store: Store, signed: SignedAuthorization): Promise<PaymentRow | undefined> {
  const [row] = await store.variants(`call:${signed.chainId}:${keyOf(signed)}`);
  return row;
}

/** Stores a payment, whose verification has passed, as a call of its own. */
export async function acceptAlone(
  { client, engine, addresses }: SettlePort,
  signed: SignedAuthorization,
  source: string | undefined,
): Promise<Admission> {
  const hasCodeNow = await hasCode(client, signed.from);
  const bare = unwrapErc6492(signed.signature)?.signature ?? signed.signature;
  const signature = hasCodeNow ? bare : normaliseSignature(bare);
  const data = encodeTransfer({ ...signed, signature }, size(signature) === 65 && !hasCodeNow ? "vrs" : "bytes");
  const [account] = addresses();
  const estimate =
    account === undefined
      ? undefined
      : await client.estimateGas({ account, to: signed.token, data }).catch(() => undefined);
  if (estimate === undefined) return { status: "refused", reason: "bad-signature", message: REASON.simulationFailed };
  const gas = (estimate * 12n) / 10n + 10_000n;
  return engine.acceptCall({
    key: keyOf(signed),
    to: signed.token,
    data,
    gas,
    deadlineSeconds: signed.validBefore,
    source,
  });
}

/**
 * A payment that went alone and reverted because somebody else's transaction had settled it by then is settled all the
 * same. Every other row is returned as it is.
 */
export async function explainAlone(
  { client, store, clock }: SettlePort,
  row: PaymentRow,
  signed: SignedAuthorization,
): Promise<PaymentRow> {
  if (row.work.kind !== "call" || row.state !== "rejected") return row;
  const uses = await findNonceUses(client, [signed], { lookbackBlocks: LOOKBACK_BLOCKS });
  const use = uses.get(authorizationId(signed));
  if (use?.status !== "settled" || use.blockNumber < row.acceptedBlock) return row;
  const { transactionHash, blockNumber, logIndex } = use;
  const evidence = { kind: "nonce-use", use: "settled", transactionHash, blockNumber, logIndex } as const;
  const from = ["rejected"] as const;
  const [moved] = await store.transition([{ paymentId: row.id, from, to: "settled-elsewhere", evidence }], clock.now());
  return moved ?? (await store.payment(row.id)) ?? row;
}
