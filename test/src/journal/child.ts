// Another process on a journal: `node child.ts TASK PLACE [ARGUMENT]`, one line of JSON for each thing done.
import { writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { acceptAll, batchOf, chainId, lease, openPlace, type Place, paymentOf } from "./fixtures.ts";

/** The path of this file, to start it. */
export const childFile = fileURLToPath(import.meta.url);

// The test runner loads the whole folder, so this works as a program only if it was started as one.
if (process.argv[1] === childFile) await main();

async function main(): Promise<void> {
  const [task = "", place = "", argument = ""] = process.argv.slice(2);
  const { url, options }: Place = JSON.parse(place);
  const journal = await openPlace({ url, options });
  switch (task) {
    case "open":
      say("open");
      break;
    case "consume":
      say(await Promise.all(Array.from({ length: 10 }, () => journal.consume(Number(argument), Date.now()))));
      break;
    case "pick": {
      const nowMs = Date.now();
      const query = { chainId, owner: argument, nowMs, untilMs: nowMs + 60_000, limit: 7 };
      const ids: number[] = [];
      for (let left = 10; left > 0; left -= 1) {
        const untilMs = nowMs + 60_000 + left;
        ids.push(...(await journal.pick({ ...query, untilMs })).map(({ id }) => id));
      }
      say([...new Set(ids)]);
      break;
    }
    case "settle-until-killed": {
      const held = await lease(journal, { owner: "child", ttlMs: 1e13 });
      for (let txNonce = 0; ; txNonce += 1) {
        const seeds = [0, 1, 2].map((index) => txNonce * 3 + index);
        const accepted = await Promise.all(seeds.map((seed) => acceptAll(journal, [paymentOf(seed)])));
        const rows = accepted.flat();
        say({ accepted: rows.map(({ id }) => id) });
        const batch = batchOf(txNonce, rows);
        if ((await journal.storeBatch(held, batch, Date.now())) !== "stored") throw new Error("not stored");
        say({ stored: batch.id });
        await journal.markBroadcast(held, batch.attempt.hash, Date.now());
        say({ broadcast: batch.id });
      }
    }
  }
  await journal.close();
}

/** Written at once, so that nothing said before a kill is lost. */
function say(what: unknown): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}
