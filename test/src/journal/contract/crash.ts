import { expect } from "chai";
import type { Journal } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { chainId, openPlace } from "../fixtures.ts";
import { runChild } from "./processes.ts";

type Said = {
  readonly accepted?: readonly number[];
  readonly stored?: `0x${string}`;
  readonly broadcast?: `0x${string}`;
};

export function describeCrash({ place }: Subject): void {
  describe("kill -9", () => {
    for (const after of [2, 17]) {
      it(`loses nothing that was acknowledged and leaves nothing half done (after ${after} steps)`, async () => {
        const said = await runChild("settle-until-killed", place(), "", (lines) => lines.length >= after);
        const journal = await openPlace(place());
        for (const line of said as readonly Said[]) {
          for (const id of line.accepted ?? []) expect(await journal.payment(id)).not.to.equal(undefined);
          const batchId = line.stored ?? line.broadcast;
          if (batchId === undefined) continue;
          const batch = await journal.batch(batchId);
          expect(batch?.attempts).to.have.length(1);
          if (line.broadcast !== undefined) expect(batch?.attempts[0]?.broadcastAtMs).to.be.a("number");
        }
        await expectWhole(journal);
        await journal.close();
      });
    }
  });
}

/** Payments, histories and batches agree with each other. */
async function expectWhole(journal: Journal): Promise<void> {
  const batches = await journal.batches({ chainId, states: ["open"] });
  const byPayment = new Map(batches.flatMap((batch) => batch.attempts[0]?.paymentIds.map((id) => [id, batch]) ?? []));
  const rows = await journal.list({ limit: 100_000 });
  expect(rows.length).to.be.greaterThan(0);
  for (const row of rows) {
    const batch = byPayment.get(row.id);
    const steps = (await journal.history(row.id)).map(({ to }) => to);
    const broadcast = batch?.attempts[0]?.broadcastAtMs !== undefined;
    const expected = ["queued", ...(batch === undefined ? [] : ["batched"]), ...(broadcast ? ["submitted"] : [])];
    expect(steps).to.deep.equal(expected);
    expect(row).to.include({ state: expected.at(-1), batchId: batch?.id, tries: batch === undefined ? 0 : 1 });
  }
}
