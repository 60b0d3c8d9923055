import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import {
  appendJournal,
  JournalError,
  openJournal,
  readJournal,
  type SentTransaction,
} from "../../../src/settlement/index.ts";
import { withFolder } from "../../helpers/cli.ts";

const sent: SentTransaction = {
  hash: `0x${"11".repeat(32)}`,
  raw: "0x02f8",
  txNonce: 7,
  from: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
  chainId: 84532,
  batch: { router: "0x00000000000000000000000000000000000000aa", batchId: `0x${"22".repeat(32)}` },
  ids: ["84532:0xa:0xb:0xc"],
};
const direct: SentTransaction = { ...sent, txNonce: 8, batch: undefined };

describe("journal", () => {
  it("gives back what was appended, in order, and is readable by its owner alone", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "journal");
      const journal = openJournal(path);
      expect(journal.sent).to.deep.equal([]);
      journal.append(sent);
      journal.append(direct);
      expect(readJournal(path)).to.deep.equal([sent, direct]);
      expect(statSync(path).mode & 0o777).to.equal(0o600);
    });
  });

  it("removes a last line that a crash cut short, and goes on", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "journal");
      appendJournal(path, sent);
      const whole = readFileSync(path, "utf8");
      writeFileSync(path, `${whole}${JSON.stringify(direct).slice(0, 40)}`);
      expect(readJournal(path)).to.deep.equal([sent]);
      expect(readFileSync(path, "utf8")).to.equal(whole);
      appendJournal(path, direct);
      expect(readJournal(path)).to.deep.equal([sent, direct]);
    });
  });

  it("refuses a journal that is damaged in the middle, naming the line", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "journal");
      writeFileSync(path, `${JSON.stringify(sent)}\nnonsense\n${JSON.stringify(direct)}\n`);
      expect(() => readJournal(path)).to.throw(JournalError, `Line 2 of the journal ${path} is damaged.`);
    });
  });

  it("refuses what it cannot read or write before anything is sent", async () => {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, "directory"));
      expect(() => openJournal(join(folder, "directory"))).to.throw(JournalError, "cannot be read");
      expect(() => openJournal(join(folder, "missing", "journal"))).to.throw(JournalError, "cannot be written");
      expect(() => appendJournal(join(folder, "missing", "journal"), sent)).to.throw(JournalError, "cannot be written");
      chmodSync(folder, 0o700);
    });
  });

  it("keeps nothing where it has no file", () => {
    const journal = openJournal(undefined);
    journal.append(sent);
    expect(journal.sent).to.deep.equal([]);
  });
});
