import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { startAnvil } from "../helpers/anvil.ts";
import { judge, type Trial } from "./oracle.ts";
import { runSeed } from "./run.ts";
import { GENESIS_SECONDS } from "./time.ts";
import type { Ground } from "./trial.ts";
import { createWorkerPool, type WorkerPool } from "./workers.ts";

/** A seed whose run, left in peace, has settled, rejected and expired payments. */
const SEED = 277;

describe("judge", () => {
  let ground: Ground;
  let pool: WorkerPool;
  let folder: string;
  let trial: Trial;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tributary-oracle-"));
    pool = createWorkerPool(1);
    const anvil = await startAnvil({ timestamp: BigInt(GENESIS_SECONDS - 100) });
    ground = { anvil, snapshot: await anvil.request("evm_snapshot") };
    const report = await runSeed(SEED, ground, pool, {
      themes: new Set(),
      inspect: async (judged) => {
        const journal = join(folder, "journal.db");
        const database = new DatabaseSync(judged.journal);
        await backup(database, journal);
        database.close();
        trial = { ...judged, journal };
      },
    });
    expect(report.violations).to.deep.equal([]);
  });
  after(async () => {
    pool?.close();
    await ground?.anvil.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the oracle says about a changed copy of the journal. */
  async function judged(change: string, other: Partial<Trial> = {}): Promise<string> {
    const journal = join(folder, "changed.db");
    copyFileSync(trial.journal, journal);
    const database = new DatabaseSync(journal, { enableForeignKeyConstraints: false });
    for (const { name } of database.prepare("select name from sqlite_master where type = 'trigger'").all()) {
      database.exec(`drop trigger "${String(name)}"`);
    }
    const { changes } = database.prepare(change).run();
    database.close();
    expect(changes, change).to.equal(1);
    return (await judge({ ...trial, journal, ...other })).violations.join("\n");
  }
  const one = (state: string) =>
    `id = (select min(id) from payments where state = '${state}' and work like '%signature%')`;

  const firstSent = "id = (select min(id) from history where to_state = 'submitted')";

  it("finds nothing wrong with the journal as it is", async () => {
    expect((await judge(trial)).violations).to.deep.equal([]);
  });

  for (const [what, change, complaint] of [
    [
      "a failure that moved",
      `update payments set state = 'rejected' where ${one("settled")}`,
      "rejected (null), and we moved it",
    ],
    [
      "a preconfirmation that nobody made",
      `update history set evidence = '{"kind":"preconfirmation","transactionHash":"0x1","blockNumber":"7"}' where ${firstSent}`,
      "0x1:7 is called preconfirmed, and the node never said so",
    ],
    [
      "something taken back that was not preconfirmed",
      `update history set evidence = '{"kind":"preconfirmation-lost","transactionHash":"0x1","blockNumber":"7"}' where ${firstSent}`,
      "0x1:7 is called taken back, and nothing was preconfirmed",
    ],
    ["an expiry that moved", `update payments set state = 'expired' where ${one("settled")}`, "expired, and it moved"],
    [
      "a success of somebody else's that was ours",
      `update payments set state = 'settled-elsewhere' where ${one("settled")}`,
      "settled elsewhere, and the transaction is ours",
    ],
    [
      "a success without a transfer",
      `update payments set state = 'settled' where ${one("expired")}`,
      "settled, and its transfer is not on the chain",
    ],
    [
      "a payment that is left open",
      `update payments set state = 'submitted' where ${one("settled")}`,
      "still submitted",
    ],
    [
      "evidence that names another transaction",
      `update payments set evidence = json_set(evidence, '$.logIndex', 77) where ${one("settled")}`,
      "on chain it is elsewhere",
    ],
    [
      "a settlement that is not final",
      `update payments set evidence = json_set(evidence, '$.level', 'safe') where ${one("settled")}`,
      "settled, and only safe",
    ],
    [
      "an expiry without proof",
      `update payments set evidence = json_set(evidence, '$.final', json('false')) where ${one("expired")}`,
      "expired without a negative proof",
    ],
    [
      "a proof from before the deadline",
      `update payments set evidence = json_set(evidence, '$.blockNumber', '1') where ${one("expired")}`,
      "before its deadline",
    ],
    ["a batch that is left open", "update batches set state = 'open' where tx_nonce = 0", "still open"],
    [
      "a batch that is called lost",
      "update batches set state = 'lost' where tx_nonce = 0",
      "lost, and one of its attempts is on the chain",
    ],
    ["a gap", "update batches set tx_nonce = 999 where tx_nonce = 0", "its txNonce is a gap"],
    [
      "bytes that were not stored",
      "delete from attempts where id = (select min(id) from attempts)",
      "bytes went out that are not in the journal",
    ],
    [
      "a second batch while the first is undecided",
      "update history set to_state = 'batched' where id = (select min(id) from history where to_state = 'submitted')",
      "is undecided",
    ],
    ["a payment that the journal forgot", `delete from payments where ${one("settled")}`, "0 times in the journal"],
  ] as const) {
    it(`notices ${what}`, async () => {
      expect(await judged(change)).to.include(complaint);
    });
  }

  it("notices a balance that is off by one", async () => {
    const [[owner, balance]] = [...trial.balances] as [[string, bigint]];
    const balances = new Map([...trial.balances, [owner, balance + 1n]]);
    expect((await judge({ ...trial, balances })).violations.join("\n")).to.include("it should be");
  });
});
