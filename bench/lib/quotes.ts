import { barTable, formatNumber, markdownTable } from "./markdown.ts";
import type { Results } from "./results.ts";
import { FLOOR_GAS, WAY } from "./ways.ts";

/** What each document quotes from the results, between two marks. Only these quote figures. */
export const QUOTES: Readonly<Record<string, (results: Results) => string>> = {
  "README.md": quoteInReadme,
  "docs/performance.md": quoteInPerformance,
};

const BEGIN = "<!-- bench: written by npm run bench -->";
const END = "<!-- /bench -->";

/** The text of a document with its quotes from these results. */
export function withQuotes(text: string, quoted: string): string {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error("the document has no place for figures");
  return `${text.slice(0, from)}${BEGIN}\n\n${quoted}\n\n${text.slice(to)}`;
}

type Read = (name: string) => string;

/** Reads figures by their names, written as numbers are in documents. */
function reader(results: Results): Read {
  const figures: Record<string, number> = Object.assign({}, ...results.sections.map((section) => section.figures));
  return (name) => {
    const figure = figures[name];
    if (figure === undefined) throw new Error(`the results have no figure "${name}"`);
    return formatNumber(figure);
  };
}

function quoteInReadme(results: Results): string {
  const figure = reader(results);
  return [
    "![Gas of a payment by the number of payments in a transaction](bench/charts/gas.svg)",
    "",
    `Gas of a payment to one payee, with Circle's token: ${figure(`gas manyToOne 1 ${WAY.single}`)} in its own transaction,`,
    `${figure(`gas manyToOne 300 ${WAY.multicall}`)} in a Multicall3 of 300, ${figure(`gas manyToOne 300 ${WAY.tributary}`)} in a batch of 300 (${formatNumber(FLOOR_GAS.manyToOne)} is the floor).`,
    "[docs/performance.md](docs/performance.md) has money, throughput and latency.",
  ].join("\n");
}

function quoteInPerformance(results: Results): string {
  const figure = reader(results);
  const { machine, versions, bars } = results;
  const gas = [1, 10, 50, 100, 200, 300].map((count) => [
    String(count),
    ...[WAY.single, WAY.multicall, WAY.tributary].map((way) => figure(`gas manyToOne ${count} ${way}`)),
    figure(`ratio ${count}`),
  ]);
  return [
    `Measured on ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${versions.node}.`,
    "[bench/RESULTS.md](../bench/RESULTS.md) has every table and chart.",
    "",
    "Gas of a payment with Circle's token, N payers → 1 payee:",
    "",
    markdownTable(["payments", WAY.single, WAY.multicall, WAY.tributary, "against one each"], gas),
    "",
    `One more payment in a batch takes ${figure(`slope manyToOne ${WAY.tributary}`)} gas (N → 1), ${figure(`slope oneToOne ${WAY.tributary}`)} (1 → 1) and ${figure(`slope manyToMany ${WAY.tributary}`)} (N → N);`,
    `in a Multicall3 ${figure(`slope manyToOne ${WAY.multicall}`)}, ${figure(`slope oneToOne ${WAY.multicall}`)} and ${figure(`slope manyToMany ${WAY.multicall}`)}.`,
    "",
    `A payment in a batch of 300 costs ${figure(`usd per payment 0.005 ${WAY.tributary}`)} USD at 0.005 gwei and ${figure(`usd per payment 0.05 ${WAY.tributary}`)} USD at 0.05 gwei (ether at 3,000 USD);`,
    `in its own transaction ${figure(`usd per payment 0.005 ${WAY.single}`)} and ${figure(`usd per payment 0.05 ${WAY.single}`)}. Payments below that cost more than they move.`,
    "",
    "What must hold:",
    "",
    barTable(bars),
  ].join("\n");
}
