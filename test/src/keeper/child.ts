// Another server process with channels: `node child.ts TASK PLACE ARGUMENT`, one line of JSON for each thing done.
import { writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createChannelStorage } from "../../../src/keeper/channels/storage.ts";
import { networks } from "../../../src/networks.ts";
import { idOf, recordOf, reserved } from "../../helpers/channelRecords.ts";
import { openPlace, type Place } from "../journal/fixtures.ts";

/** The path of this file, to start it. */
export const childFile = fileURLToPath(import.meta.url);

// The test runner loads the whole folder, so this works as a program only if it was started as one.
if (process.argv[1] === childFile) await main();

async function main(): Promise<void> {
  const [task = "", place = "", argument = ""] = process.argv.slice(2);
  const { url, options }: Place = JSON.parse(place);
  const journal = await openPlace({ url, options });
  const storage = createChannelStorage(journal, { chainId: networks.baseSepolia.chainId });
  const charge = (seed: number) =>
    storage.updateChannel(idOf(seed), (current) => {
      return recordOf(seed, BigInt(current?.chargedCumulativeAmount ?? 0) + 1n);
    });
  switch (task) {
    case "charge":
      for (let left = Number(argument); left > 0; left -= 10) {
        await Promise.all(Array.from({ length: 10 }, () => charge(1)));
      }
      say("done");
      break;
    case "charge-until-killed":
      for (;;) {
        const results = await Promise.all([1, 2, 3].map(charge));
        say(results.map(({ channel }) => channel?.chargedCumulativeAmount));
      }
    case "hold-until-killed": {
      // As the official server does with a request that takes long.
      const leaseMs = Number(argument);
      const held = createChannelStorage(journal, { chainId: networks.baseSepolia.chainId, requestLeaseMs: leaseMs });
      await held.updateChannel(idOf(1), () => {
        return reserved(recordOf(1, 0n, { signedMaxClaimable: "1" }), "killed", Date.now() + 300_000);
      });
      for (let last = 0; ; ) {
        const expiresAt = (await held.get(idOf(1)))?.pendingRequest?.expiresAt ?? 0;
        if (expiresAt !== last) say({ expiresAt, atMs: Date.now() });
        last = expiresAt;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
  await journal.close();
}

/** Written at once, so that nothing said before a kill is lost. */
function say(what: unknown): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}
