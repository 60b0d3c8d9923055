import { availableParallelism } from "node:os";
import { expect } from "chai";
import { type Campaign, replayCommand, runCampaign, summarise } from "../../../fault/campaign.ts";
import type { RunReport } from "../../../fault/run.ts";
import { certainTheme, faultsOf, THEMES, themesOf } from "../../../fault/themes.ts";
import { isLong, seed } from "../../../helpers/randomness.ts";

const WHOLE = 525;
/** Each of consecutive seeds is about one kind of trouble. */
const REDUCED = THEMES.length;

describe("settlement under faults", () => {
  let reports: RunReport[] = [];
  const campaign: Campaign = { firstSeed: seed, runs: isLong ? WHOLE : REDUCED, lanes: 2 * availableParallelism() };

  before(async () => {
    console.log(`    seeds ${seed} to ${seed + campaign.runs - 1}, ${campaign.runs} runs`);
    reports = await runCampaign(campaign);
    console.log(summarise(reports).replaceAll(/^/gm, "    "));
  });

  it("ends every run with one true outcome for every payment, as an independent oracle finds", () => {
    expect(reports).to.have.length(campaign.runs);
    const bad = reports.filter(({ violations }) => violations.length > 0);
    const lines = bad.flatMap((report) => {
      return [
        `seed ${report.seed}; again with: ${replayCommand(report.seed)}`,
        ...report.violations.map((line) => `  ${line}`),
      ];
    });
    expect(bad, lines.join("\n")).to.have.length(0);
  });

  it("puts in every kind of fault, each in the run that is about it", () => {
    const missing = reports.flatMap(({ seed: one, faults }) => {
      const never = faultsOf(certainTheme(one)).filter((fault) => !faults.has(fault));
      return never.map((fault) => `${fault}, seed ${one}`);
    });
    expect(missing).to.deep.equal([]);
    expect(new Set(reports.map(({ seed: one }) => certainTheme(one))).size).to.equal(THEMES.length);
  });

  it("kills engines and settles payments", () => {
    for (const { seed: one, kills, verdict } of reports) {
      if (themesOf(one).has("kill")) expect(kills, `seed ${one}`).to.have.length.above(0);
      // At least the payment whose payer no event concerns.
      expect(verdict?.settled, `seed ${one}`).to.be.above(0);
    }
  });
});
