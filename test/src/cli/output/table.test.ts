import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import { type Column, formatTable } from "../../../../src/cli/output/table.ts";
import { fold } from "../../../../src/cli/output/terminal.ts";

const ADDRESS = `0x${"a1".repeat(20)}`;
const HASH = `0x${"b2".repeat(32)}`;
const SENTENCE = "the payer's balance is smaller than the value of the payment, so the token refused it";
const right = (title: string): Column => ({ title, align: "right" });

const linesOf = (columns: readonly Column[], rows: readonly (readonly string[])[], width?: number) =>
  formatTable(columns, rows, width).split("\n").map(stripVTControlCharacters);
const widest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));

describe("formatTable", () => {
  const channels = [{ title: "channel" }, { title: "payer" }, right("balance"), right("charged"), { title: "state" }];
  const rows = [[HASH, ADDRESS, "12.5", "0.000001", "open"]];

  it("shortens, folds and leaves out nothing if there is no terminal", () => {
    expect(linesOf([...channels, { title: "why", isSpare: true }], [[...rows[0]!, SENTENCE]])).to.deep.equal([
      `channel${" ".repeat(61)}payer${" ".repeat(39)}balance   charged  state  why`,
      `${HASH}  ${ADDRESS}     12.5  0.000001  open   ${SENTENCE}`,
    ]);
  });

  it("keeps everything whole if it fits", () => {
    expect(linesOf(channels, rows, 140)[1]).to.equal(`${HASH}  ${ADDRESS}     12.5  0.000001  open`);
  });

  it("shortens hashes first, then addresses, and never breaks one", () => {
    expect(linesOf(channels, rows, 120)[1]).to.equal(`0xb2b2…b2b2  ${ADDRESS}     12.5  0.000001  open`);
    expect(linesOf(channels, rows, 80)[1]).to.equal("0xb2b2…b2b2  0xa1a1…a1a1     12.5  0.000001  open");
  });

  it("folds sentences between words before it shortens an address", () => {
    const lines = linesOf([{ title: "payer" }, { title: "outcome" }], [[ADDRESS, SENTENCE]], 80);
    expect(widest(lines)).to.be.at.most(80);
    expect(lines[1]).to.equal(`${ADDRESS}  the payer's balance is smaller than`);
    expect(
      lines
        .slice(1)
        .map((line) => line.slice(44))
        .join(" "),
    ).to.equal(SENTENCE);
  });

  it("leaves spare columns out if shortening is not enough", () => {
    const columns = [right("payments"), { ...right("payers"), isSpare: true as const }, right("gas"), right("fee ETH")];
    expect(linesOf(columns, [["300", "30", "16777216", "0.00001234"]], 32)).to.deep.equal([
      "payments       gas     fee ETH",
      "     300  16777216  0.00001234",
    ]);
  });

  it("makes a block of each row if no table fits, and keeps what people copy whole", () => {
    const columns = [
      right("#"),
      { title: "account", isWhole: true as const },
      { title: "key", isWhole: true as const },
    ];
    const row = (index: string) => [`#        ${index}`, `account  ${ADDRESS}`, `key      ${HASH}`];
    expect(
      linesOf(
        columns,
        [
          ["0", ADDRESS, HASH],
          ["1", ADDRESS, HASH],
        ],
        80,
      ),
    ).to.deep.equal([...row("0"), "", ...row("1")]);
  });

  it("fits 40, 80 and 120 columns whatever the cells are, with each word of them whole or shortened", () => {
    const words = ["0", "1234567.123456", ADDRESS, `in ${HASH}, block 7`, SENTENCE, "", "settled"];
    for (const width of [40, 80, 120]) {
      for (let count = 1; count <= words.length; count++) {
        for (let first = 0; first < words.length; first++) {
          const cells = Array.from({ length: count }, (_, index) => words[(first + index) % words.length] ?? "");
          const lines = linesOf(
            cells.map((_, index) => ({ title: `column ${index}` })),
            [cells],
            width,
          );
          expect(widest(lines), lines.join("\n")).to.be.at.most(width);
          const seen = lines.join(" ").split(/\s+/);
          const known = (word: string) => word.replace(/^0x(.{4}).*(.{4})$/, "0x$1…$2");
          for (const word of cells.join(" ").trim().split(/\s+/)) {
            const short = word.replace(/0x\w{40,}/, known);
            expect(seen.includes(word) || seen.includes(short), `${word} in\n${lines.join("\n")}`).to.equal(true);
          }
        }
      }
    }
  });
});

describe("fold", () => {
  it("breaks a line between words, indents what follows, and keeps a hash whole", () => {
    const line = `  2026-01-01T00:00:00.000Z  submitted: in batch ${HASH}, transaction ${HASH}`;
    expect(fold(line, 80).split("\n")).to.deep.equal([
      "  2026-01-01T00:00:00.000Z  submitted: in batch",
      `    ${HASH},`,
      "    transaction",
      `    ${HASH}`,
    ]);
  });

  it("leaves a line that fits, an empty one and a long word as they are", () => {
    const text = `short\n\n${"x".repeat(100)}`;
    expect(fold(text, 80)).to.equal(text);
    expect(fold(`${"word ".repeat(40)}`, undefined)).to.equal("word ".repeat(40));
  });
});
