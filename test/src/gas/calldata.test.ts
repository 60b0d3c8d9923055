import { expect } from "chai";
import fc from "fast-check";
import { bytesToHex, encodeFunctionData, type Hex, numberToHex } from "viem";
import type { PlannablePayment } from "../../../src/batch/index.ts";
import { toRouterItem } from "../../../src/batch/index.ts";
import { ierc3009Artifact } from "../../../src/contracts/IERC3009.ts";
import { balanceAfter, balanceSlotGas } from "../../../src/gas/balances.ts";
import { calldataFloorGas, chargedGas, countZeroBytes, countZeroBytesOf, intrinsicGas } from "../../../src/gas/evm.ts";
import { countBytes, directCalldata, itemBytes, routerCalldata } from "../../../src/gas/index.ts";
import { encodeSettle } from "../../../src/router/index.ts";
import { accountAt, fakePayment, fakeSignature, TOKEN } from "../../helpers/payments.ts";
import { split } from "../../helpers/usdc.ts";

/** Bytes of which many are zero. */
const bytes = (length: { minLength: number; maxLength: number }) =>
  fc
    .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), length)
    .map((list): Hex => bytesToHex(Uint8Array.from(list)));
const exactly = (count: number) => bytes({ minLength: count, maxLength: count });
const uint = (bits: number) =>
  fc.integer({ min: 0, max: bits }).chain((width) => fc.bigInt({ min: 0n, max: 2n ** BigInt(width) - 1n }));

const payment: fc.Arbitrary<PlannablePayment> = fc
  .record({
    to: fc.integer({ min: 0, max: 300 }).map(accountAt),
    from: exactly(20),
    value: fc.oneof(uint(64), uint(256)),
    validAfter: uint(32),
    validBefore: fc.oneof(uint(32), uint(256)),
    nonce: exactly(32),
    signature: fc.oneof(
      exactly(64).map((rs): Hex => `${rs}1c`),
      exactly(64).map((rs): Hex => `${rs}1b`),
      bytes({ minLength: 0, maxLength: 300 }),
    ),
    payerHasCode: fc.boolean(),
  })
  .map(fakePayment);

describe("countZeroBytes", () => {
  it("counts whole bytes only", () => {
    expect(countZeroBytes("0x")).to.equal(0);
    expect(countZeroBytes("0x0010000100")).to.equal(3);
    expect(countZeroBytes("0x0010000100", 1, 4)).to.equal(1);
  });

  it("counts those of integers as those of their hex", () => {
    fc.assert(
      fc.property(uint(256), (value) => {
        expect(countZeroBytesOf(value, 32)).to.equal(countZeroBytes(numberToHex(value, { size: 32 })));
      }),
    );
  });
});

describe("intrinsicGas", () => {
  it("is 21,000, 4 for a zero byte and 16 for another; the floor is 10 and 40", () => {
    const calldata = countBytes("0x0001ff00");
    expect(intrinsicGas(calldata)).to.equal(21_000 + 2 * 4 + 2 * 16);
    expect(calldataFloorGas(calldata)).to.equal(21_000 + 2 * 10 + 2 * 40);
  });
});

describe("chargedGas", () => {
  it("caps refunds at a fifth and never goes below the floor", () => {
    const none = { zero: 0, nonZero: 0 };
    expect(chargedGas(none, 100_000, 4_800)).to.equal(95_200);
    expect(chargedGas(none, 100_000, 20_001)).to.equal(80_000);
    expect(chargedGas({ zero: 0, nonZero: 10_000 }, 200_000, 0)).to.equal(421_000);
  });
});

describe("routerCalldata", () => {
  it("counts the bytes that the encoder writes", () => {
    fc.assert(
      fc.property(fc.array(payment, { minLength: 1, maxLength: 40 }), uint(32), (payments, gasAllowance) => {
        const allowances = { gasAllowance, codePayerAllowance: 200_000n };
        const items = payments.map((one) => toRouterItem(one, one.payerHasCode, allowances));
        const sum = { zero: 0, nonZero: 0 };
        for (const item of items) {
          const own = itemBytes(item);
          sum.zero += own.zero;
          sum.nonZero += own.nonZero;
        }
        const data = encodeSettle({ token: TOKEN, batchId: `0x${"11".repeat(32)}`, gasAllowance, items });
        expect(routerCalldata({ token: TOKEN, gasAllowance, items }, sum)).to.deep.equal(countBytes(data));
      }),
      { seed: 5 },
    );
  });

  it("counts payees beyond the 256th", () => {
    const payments = Array.from({ length: 600 }, (_, i) => fakePayment({ to: accountAt(i) }));
    const items = payments.map((one) => toRouterItem(one, false, { gasAllowance: 1n, codePayerAllowance: 1n }));
    const zero = items.reduce((total, item) => total + itemBytes(item).zero, 0);
    const sum = { zero, nonZero: 600 * 132 - zero };
    const data = encodeSettle({ token: TOKEN, batchId: `0x${"11".repeat(32)}`, gasAllowance: 1n, items });
    expect(routerCalldata({ token: TOKEN, gasAllowance: 1n, items }, sum)).to.deep.equal(countBytes(data));
  });
});

describe("directCalldata", () => {
  const { abi } = ierc3009Artifact;
  const functionName = "transferWithAuthorization";
  const argsOf = (a: PlannablePayment) => [a.from, a.to, a.value, a.validAfter, a.validBefore, a.nonce] as const;

  it("counts the bytes of both overloads", () => {
    fc.assert(
      fc.property(payment, (one) => {
        const data = encodeFunctionData({ abi, functionName, args: [...argsOf(one), one.signature] });
        expect(directCalldata(one, "bytes")).to.deep.equal(countBytes(data));
        const ecdsa = { ...one, signature: fakeSignature(one.nonce) };
        const { v, r, s } = split(ecdsa.signature);
        const vrs = encodeFunctionData({ abi, functionName, args: [...argsOf(ecdsa), v, r, s] });
        expect(directCalldata(ecdsa, "vrs")).to.deep.equal(countBytes(vrs));
      }),
      { seed: 6 },
    );
  });
});

describe("balanceSlotGas", () => {
  const exact = (spent: number, refund: number) => ({
    lowSpent: spent,
    highSpent: spent,
    lowRefund: refund,
    highRefund: refund,
  });

  it("charges a first write, and 100 for those after it", () => {
    expect(balanceSlotGas({ known: 10n }, [-1n])).to.deep.equal(exact(4_900, 0));
    expect(balanceSlotGas({ known: 10n }, [-1n, -1n, 5n])).to.deep.equal(exact(5_100, 0));
  });

  it("charges 20,000 for a payee from zero", () => {
    expect(balanceSlotGas({ known: 0n }, [1n, 1n])).to.deep.equal(exact(22_100, 0));
  });

  it("refunds 4,800 for a payer drained to zero, and takes it back", () => {
    expect(balanceSlotGas({ known: 10n }, [-10n])).to.deep.equal(exact(4_900, 4_800));
    expect(balanceSlotGas({ known: 10n }, [-10n, 3n])).to.deep.equal(exact(5_000, 0));
  });

  it("refunds most of a write that is undone", () => {
    expect(balanceSlotGas({ known: 10n }, [-4n, 4n])).to.deep.equal(exact(5_000, 2_800));
    expect(balanceSlotGas({ known: 0n }, [4n, -4n])).to.deep.equal(exact(22_100, 19_900));
    expect(balanceSlotGas({ known: 4n }, [-4n, 4n])).to.deep.equal(exact(5_000, 2_800));
  });

  it("charges a warm access for a payment of zero", () => {
    expect(balanceSlotGas({ known: 0n }, [0n, 0n])).to.deep.equal(exact(2_200, 0));
  });

  it("bounds every balance that the payments allow", () => {
    const delta = fc.bigInt({ min: -5n, max: 5n });
    const deltas = fc.array(delta, { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        deltas,
        fc.bigInt({ min: 0n, max: 30n }),
        fc.bigInt({ min: 0n, max: 3n }),
        (list, balance, atLeast) => {
          let running = balance;
          let lowest = balance;
          for (const change of list) {
            running += change;
            if (running < lowest) lowest = running;
          }
          fc.pre(lowest >= 0n && balance >= atLeast);
          const truth = balanceSlotGas({ known: balance }, list);
          const bounds = balanceSlotGas({ atLeast }, list);
          expect(truth.lowSpent).to.be.within(bounds.lowSpent, bounds.highSpent);
          expect(truth.lowRefund).to.be.within(bounds.lowRefund, bounds.highRefund);
          const after = balanceAfter({ atLeast }, list);
          expect("atLeast" in after && after.atLeast <= running).to.equal(true);
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });

  it("is exact without the balance if the payments tell enough", () => {
    // A payer of an earlier payment who is paid again before they pay: they had something.
    expect(balanceSlotGas({ atLeast: 1n }, [1n])).to.deep.equal(exact(4_900, 0));
  });
});
