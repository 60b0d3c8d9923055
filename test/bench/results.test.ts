import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { drawChart } from "../../bench/lib/charts.ts";
import { toMarkdown } from "../../bench/lib/markdown.ts";
import { readResults } from "../../bench/lib/output.ts";
import { QUOTES, withQuotes } from "../../bench/lib/quotes.ts";
import { atLeast, atMost, missedBy, type Results } from "../../bench/lib/results.ts";
import { WAY } from "../../bench/lib/ways.ts";
import { CIRCLE_USDC_GAS, MOCK_USDC_GAS } from "../../src/gas/index.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

describe("a bar", () => {
  it("holds at its limit and says by how much it is missed", () => {
    expect(atMost("p95", 4.5, 4.5, "s")).to.deep.include({ holds: true, value: 4.5, limit: 4.5, unit: "s" });
    expect(atLeast("job", 400, 400, "payments/s").holds).to.equal(true);
    expect(missedBy(atMost("p95", 4.75, 4.5, "s"))).to.equal("p95: 4.75 s, 0.25 above 4.5");
    expect(missedBy(atLeast("job", 150, 400, "payments/s"))).to.equal("job: 150 payments/s, 250 below 400");
    expect(missedBy(atLeast("job", 400, 400, "payments/s"))).to.equal(undefined);
  });

  it("does not hold if nothing was measured", () => {
    expect(atMost("p95", Number.NaN, 4.5, "s").holds).to.equal(false);
  });
});

describe("drawChart", () => {
  it("draws every series and the floor, the same each time", () => {
    const chart = {
      file: "x",
      title: "Gas",
      kind: "line",
      x: { name: "payments" },
      y: { name: "gas" },
      series: [{ name: "Tributary", points: [["1", 10] as const, ["10", 5] as const] }],
      floor: { name: "physical floor", points: [["1", 4] as const, ["10", 4] as const] },
    } as const;
    const svg = drawChart(chart);
    expect(svg).to.match(/^<svg /);
    for (const text of ["Gas", "Tributary", "physical floor", "payments"]) expect(svg).to.include(`>${text}</text>`);
    expect(drawChart(chart)).to.equal(svg);
  });
});

describe("the results that are checked in", () => {
  let results: Results;

  before(() => {
    results = readResults();
  });

  it("are of a whole run, with every bar of every subject", () => {
    expect(results.form).to.be.oneOf(["quick", "full"]);
    expect(results.bars).to.deep.equal(results.sections.flatMap(({ bars }) => bars));
    for (const { holds, value, limit, bound } of results.bars) {
      expect(holds).to.equal(bound === "at most" ? value <= limit : value >= limit);
    }
  });

  it("are what RESULTS.md says and the charts show", () => {
    expect(read("bench/RESULTS.md")).to.equal(toMarkdown(results));
    for (const chart of results.sections.flatMap(({ charts }) => charts)) {
      expect(existsSync(join(root, "bench", "charts", `${chart.file}.svg`)), chart.file).to.equal(true);
    }
  });

  for (const [file, quote] of Object.entries(QUOTES)) {
    it(`are what ${file} quotes`, () => {
      expect(read(file)).to.equal(withQuotes(read(file), quote(results)));
    });
  }

  it("agree with the gas that the tests measure", () => {
    const snapshot: Record<string, { gasPerPayment?: number; calldataBytes?: number }> = JSON.parse(
      read("test/gas/snapshot.json"),
    );
    const figures: Record<string, number> = Object.assign({}, ...results.sections.map((section) => section.figures));
    for (const [shape, scenario, way] of [
      ["manyToOne", "compact, N payers to 1 payee", WAY.tributary],
      ["manyToMany", "compact, N payers to N payees", WAY.tributary],
      ["oneToOne", "compact, 1 payer to 1 payee", WAY.tributary],
      ["manyToOne", "wide, vrs overload", `${WAY.tributary}, wide form`],
      ["manyToOne", "Multicall3, N payers to 1 payee", WAY.multicall],
    ] as const) {
      const realToken = CIRCLE_USDC_GAS.transferGas - MOCK_USDC_GAS.transferGas;
      const measured = (snapshot[scenario]?.gasPerPayment ?? Number.NaN) + realToken;
      const said = figures[`slope ${shape} ${way}`] ?? Number.NaN;
      const message = `${scenario}: ${said} in bench/results.json, ${measured} in test/gas/snapshot.json; run npm run bench`;
      expect(Math.abs(said / measured - 1), message).to.be.below(0.002);
    }
  });
});
