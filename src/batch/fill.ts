import {
  byteLength,
  type GasModel,
  gasLimitFor,
  itemBytes,
  itemDemandGas,
  openingGas,
  ROUTER_CALL_BYTES,
  worstCodeItemGas,
  worstItemGas,
} from "../gas/index.ts";
import { MAX_SIGNATURE_BYTES, type RouterItem } from "../router/index.ts";
import { PAYEE_BYTES } from "../router/wire.ts";
import { isCodePayer, toRouterItem } from "./form.ts";
import type { ResolvedLimits } from "./limits.ts";
import type { PaymentTable } from "./table.ts";

/** Payments by their numbers in the table, and as router items. */
export type Lane = { readonly indices: number[]; readonly items: RouterItem[] };

/** The payments of one batch in the order of execution, and what they use of its caps. */
export type Filling = {
  /** Payments of payers without code. They go first. */
  readonly plain: Lane;
  /** Payments of payers with code. */
  readonly code: Lane;
  /** The execution gas that the router needs in order to reach the last item, without calldata. */
  executionGas: number;
  /** Calldata of the items, without their heads. */
  readonly bytes: { zero: number; nonZero: number };
};

export type FillContext = {
  readonly table: PaymentTable;
  readonly limits: ResolvedLimits;
  readonly model: GasModel;
  /** Whether an account is known to hold some of its token before the plan. */
  readonly holds: (account: number) => boolean;
};

const HEAD_BYTES = 2;

/**
 * Splits the payments of one token, in their order, into batches. Each batch takes payments while its caps allow.
 * Payers with code have a cap of their own. Those beyond it wait for the next batch and keep their order there, while
 * payers without code go on filling this one. A payment whose signature is too long for the router goes alone.
 */
export function fillBatches(ordered: Uint32Array, context: FillContext): Filling[] {
  const { table } = context;
  const ranks: Record<"plain" | "code", number[]> = { plain: [], code: [] };
  const fillings: Filling[] = [];
  for (const [rank, index] of ordered.entries()) {
    const payment = table.payments[index]!;
    if (byteLength(payment.signature) > MAX_SIGNATURE_BYTES) fillings.push(aloneWith(index, context));
    else ranks[isCodePayer(payment, payment.payerHasCode) ? "code" : "plain"].push(rank);
  }

  const stamps = () => new Uint32Array(table.addresses.length);
  const use: AccountStamps = { asPayer: stamps(), asPayee: stamps(), inTable: stamps() };
  let plain = 0;
  let code = 0;
  while (plain < ranks.plain.length || code < ranks.code.length) {
    const batch = openBatch(context, use, fillings.length + 1);
    for (;;) {
      const plainRank = ranks.plain[plain] ?? Number.POSITIVE_INFINITY;
      const codeRank = batch.takesCode() ? (ranks.code[code] ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
      if (codeRank < plainRank) {
        if (!batch.add(ordered[codeRank]!, true)) break;
        code += 1;
      } else {
        if (plainRank === Number.POSITIVE_INFINITY || !batch.add(ordered[plainRank]!, false)) break;
        plain += 1;
      }
    }
    fillings.push(batch.filling);
  }
  return fillings;
}

/** A batch of one, which becomes a direct transfer. */
export function aloneWith(index: number, { table, limits }: FillContext): Filling {
  const payment = table.payments[index]!;
  const filling = emptyFilling();
  filling.plain.indices.push(index);
  filling.plain.items.push(toRouterItem(payment, payment.payerHasCode, limits));
  return filling;
}

function emptyFilling(): Filling {
  return {
    plain: { indices: [], items: [] },
    code: { indices: [], items: [] },
    executionGas: 0,
    bytes: { zero: 0, nonZero: 0 },
  };
}

/**
 * For each account, the last batch that it pays in, is paid in (in both cases more than zero), and has in its payee
 * table.
 */
type AccountStamps = Record<"asPayer" | "asPayee" | "inTable", Uint32Array>;

/** One batch while it is being filled. Its first item always fits here; whether it fits alone is checked later. */
function openBatch({ table, limits, model, holds }: FillContext, use: AccountStamps, batch: number) {
  const filling = emptyFilling();
  const { plain, code, bytes } = filling;
  const opening = openingGas(model);
  const gasCap = Number(limits.gasCap);
  const codeAllowance = Number(limits.codePayerAllowance);
  const codeCeiling = Number(limits.codePayerAllowanceCeiling);
  const plainDemand = itemDemandGas(limits.gasAllowance);
  const codeDemand = itemDemandGas(limits.codePayerAllowance);
  let plainGas = 0;
  let codeGas = 0;
  let lastPlainGas = 0;
  let lastCodeGas = 0;
  /** Calldata without the items' own bytes. */
  let bytesAround = ROUTER_CALL_BYTES;

  return { filling, takesCode, add };

  function takesCode(): boolean {
    return (code.indices.length + 1) * codeAllowance <= codeCeiling;
  }

  /** Takes the payment if all caps allow. */
  function add(index: number, isCode: boolean): boolean {
    const count = plain.indices.length + code.indices.length;
    if (count > 0 && count >= limits.maxItems) return false;
    const payment = table.payments[index]!;
    const item = toRouterItem(payment, payment.payerHasCode, limits);
    const own = itemBytes(item);
    const payee = table.payee[index]!;
    const around = bytesAround + HEAD_BYTES + (use.inTable[payee] === batch ? 0 : PAYEE_BYTES);
    const zero = bytes.zero + own.zero;
    const nonZero = bytes.nonZero + own.nonZero;
    const gas = isCode ? worstCodeItemGas(shapeOf(item), limits.codePayerAllowance, model) : plainItemGas(item, index);
    const executionGas = executionGasWith(gas, isCode);
    // The heads, the payees and the rest of the call are counted as if none of their bytes were zero.
    const gasLimit = gasLimitFor({ zero, nonZero: nonZero + around }, executionGas);
    if (count > 0 && (gasLimit > gasCap || zero + nonZero + around > limits.maxCalldataBytes)) return false;

    filling.executionGas = executionGas;
    bytes.zero = zero;
    bytes.nonZero = nonZero;
    bytesAround = around;
    const lane = isCode ? code : plain;
    lane.indices.push(index);
    lane.items.push(item);
    if (isCode) {
      codeGas += gas;
      lastCodeGas = gas;
    } else {
      plainGas += gas;
      lastPlainGas = gas;
    }
    use.inTable[payee] = batch;
    if (payment.value > 0n) {
      use.asPayer[table.payer[index]!] = batch;
      use.asPayee[payee] = batch;
    }
    return true;
  }

  function plainItemGas(item: RouterItem, index: number): number {
    const payer = table.payer[index]!;
    const payee = table.payee[index]!;
    return worstItemGas(
      shapeOf(item),
      { asPayer: use.asPayer[payer] === batch, asPayee: use.asPayee[payer] === batch },
      {
        asPayer: use.asPayer[payee] === batch || payer === payee,
        asPayee: use.asPayee[payee] === batch,
        surelyNotEmpty: holds(payee),
      },
      model,
    );
  }

  /**
   * The last item of each kind must find its demand left over. The items before it have spent at most their worst case.
   */
  function executionGasWith(gas: number, isCode: boolean): number {
    const ofPlain = plainGas + (isCode ? 0 : gas);
    const ofCode = codeGas + (isCode ? gas : 0);
    const toLastPlain = ofPlain > 0 ? ofPlain - (isCode ? lastPlainGas : gas) + plainDemand : 0;
    const toLastCode = ofCode > 0 ? ofPlain + ofCode - (isCode ? gas : lastCodeGas) + codeDemand : 0;
    // The router spends a little on an item before it checks the gas: less than all that it spends around one.
    return opening + model.router.wideItemGas + Math.max(toLastPlain, toLastCode);
  }
}

/** The parts of an item that its price depends on. */
export function shapeOf(item: RouterItem) {
  const { authorization, form } = item;
  const overload = form === "compact" ? ("vrs" as const) : item.overload;
  return { form, overload, signatureBytes: byteLength(authorization.signature) };
}
