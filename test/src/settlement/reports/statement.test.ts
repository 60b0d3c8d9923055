import { expect } from "chai";
import { openJournal } from "../../../../src/journal/index.ts";
import {
  createStatementTotals,
  readStatement,
  type StatementLine,
} from "../../../../src/settlement/reports/statement.ts";
import { fakePayment, nonceAt } from "../../../helpers/payments.ts";

/** Two dollars for one ether, in millionths. */
const ETHER = 2_000_000n;
const HASH = `0x${"ab".repeat(32)}` as const;

describe("readStatement", () => {
  it("goes through pages in the order of acceptance and adds up", async () => {
    const journal = await openJournal(":memory:");
    const count = 2_345;
    const payments = Array.from({ length: count }, (_, index) => {
      const authorization = { ...fakePayment({ nonce: nonceAt(index), value: 10n }) };
      return {
        identity: `payment-${index}`,
        digest: nonceAt(index),
        work: { kind: "authorization", authorization, payerHasCode: false } as const,
        deadlineSeconds: 100n,
        acceptedBlock: 1n,
        source: undefined,
      };
    });
    await journal.accept(payments, 1_000);
    const evidence = {
      kind: "transfer",
      transactionHash: HASH,
      blockNumber: 7n,
      blockHash: HASH,
      logIndex: 3,
      gasShare: 40_000n,
      feeShareWei: 1n,
      level: "final",
    } as const;
    await journal.transition([{ paymentId: 2, from: ["queued"], to: "settled", evidence }], 2_000);

    const totals = createStatementTotals();
    const lines: StatementLine[] = [];
    for await (const line of readStatement(journal, { etherMicroUsd: ETHER })) {
      totals.add(line);
      lines.push(line);
    }
    expect(lines.map(({ id }) => id)).to.deep.equal(Array.from({ length: count }, (_, index) => index + 1));
    expect(lines[1]).to.include({ state: "settled", blockNumber: 7n, gasShare: 40_000n, logIndex: 3, level: "final" });
    // A cost is never shown as zero.
    expect(lines[1]?.feeShareNanoUsd).to.equal(1n);
    expect(lines[2]).to.include({ state: "queued", gasShare: undefined, feeShareNanoUsd: undefined });
    const sum = await totals.finish(journal);
    expect(sum).to.include({ payments: count, settled: 1, feeSharesWei: 1n, feesWei: 0n, transactions: 0 });
    expect([...sum.settledValue.values()]).to.deep.equal([10n]);
    await journal.close();
  });

  it("is empty for an empty journal, and for a chain that the journal does not know", async () => {
    const journal = await openJournal(":memory:");
    for await (const line of readStatement(journal, { chainId: 1, etherMicroUsd: ETHER })) expect.fail(String(line.id));
    expect(await createStatementTotals().finish(journal, 1)).to.include({ payments: 0, settled: 0 });
    await journal.close();
  });
});
