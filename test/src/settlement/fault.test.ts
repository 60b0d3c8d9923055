import { availableParallelism } from "node:os";
import { expect } from "chai";
import { type Campaign, replayCommand, runCampaign, summarise } from "../../fault/campaign.ts";
import type { RunReport } from "../../fault/run.ts";
import { THEMES } from "../../fault/themes.ts";
import { isLong, seed } from "../../helpers/randomness.ts";

const WHOLE = 510;
/** Seeds in a row have every kind of trouble among them. */
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

  it("puts in every kind of fault", () => {
    const seen = new Set(reports.flatMap(({ faults }) => [...faults.keys()]));
    for (const theme of THEMES) expect(seen, theme).to.include(NAMES[theme] ?? theme);
  });

  it("kills engines and settles payments", () => {
    const sum = (of: (report: RunReport) => number) => reports.reduce((total, report) => total + of(report), 0);
    expect(sum(({ kills }) => kills.length)).to.be.greaterThan(reports.length / 4);
    expect(sum(({ verdict }) => verdict?.settled ?? 0)).to.be.greaterThan(2 * reports.length);
  });
});

/** What a theme is called where it is counted, if otherwise. */
const NAMES: Readonly<Record<string, string>> = {
  "gas-burners": "burn",
  "foreign-transaction": "foreign",
  "slow-blocks": "hold-blocks",
};
