import { expect } from "chai";
import type { Address } from "viem";
import type { AuthorizationRow, PaymentState } from "../../../../src/journal/index.ts";
import { createStanding } from "../../../../src/settlement/dispatch/standing.ts";
import { freshAddress } from "../../../helpers/chainLab.ts";

const payer = freshAddress(1);
const NONE = new Map();
const STRUCK = new Map([[payer.toLowerCase(), { strikes: 1, untilMs: 0 }]]);

let ids = 0;
function rows(count: number, from: Address = payer): AuthorizationRow[] {
  return Array.from({ length: count }, () => {
    ids += 1;
    return { id: ids, state: "queued", work: { kind: "authorization", authorization: { from } } } as AuthorizationRow;
  });
}
const as = (list: readonly AuthorizationRow[], state: PaymentState) => list.map((row) => ({ ...row, state }));

describe("createStanding", () => {
  it("lets an unknown payer have a few on their way, and every other payer as many", () => {
    const standing = createStanding(3);
    const mine = rows(5);
    const others = rows(2, freshAddress(2));
    const now = standing.within([...mine, ...others], NONE);
    expect(now).to.deep.equal([...mine.slice(0, 3), ...others]);
    standing.sent(now);
    expect(standing.within(mine.slice(3), NONE)).to.deep.equal([]);
    for (const row of as(mine.slice(0, 1), "queued")) standing.note(row);
    expect(standing.within(mine.slice(3), NONE)).to.deep.equal([mine[3]]);
  });

  it("lets them have as many as settled before, and starts again when one fails", () => {
    const standing = createStanding(2);
    for (let round = 0; round < 3; round += 1) {
      const some = standing.within(rows(20), NONE);
      standing.sent(some);
      for (const row of as(some, "settled")) standing.note(row);
    }
    // 2, 2 and 4 settled.
    const eight = standing.within(rows(20), NONE);
    expect(eight).to.have.length(8);
    standing.sent(eight);
    for (const row of as(eight, "rejected")) standing.note(row);
    expect(standing.within(rows(20), NONE)).to.have.length(2);
  });

  it("lets a payer with a strike have one", () => {
    const standing = createStanding(9);
    expect(standing.within(rows(5), STRUCK)).to.have.length(1);
  });

  it("counts a settlement once, and none that it did not see on its way", () => {
    const standing = createStanding(1);
    const [one] = rows(1);
    for (const row of as([one!], "settled")) standing.note(row);
    standing.sent([one!]);
    for (const row of as([one!, one!, one!], "settled")) standing.note(row);
    expect(standing.within(rows(9), NONE)).to.have.length(1);
  });

  it("counts what was on its way before", () => {
    const standing = createStanding(2);
    for (const row of as(rows(1), "submitted")) standing.note(row);
    expect(standing.within(rows(5), NONE)).to.have.length(1);
  });

  it("has no bound if none is given", () => {
    expect(createStanding(undefined).within(rows(300), NONE)).to.have.length(300);
  });
});
