import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ChannelStorage } from "@x402/evm/batch-settlement/server";
import { expect } from "chai";
import { Client } from "pg";
import { type ChannelRecord, type Journal, JournalError } from "../../../../src/journal/index.ts";
import { ChannelError } from "../../../../src/keeper/channels/errors.ts";
import { changeRows } from "../../../../src/keeper/channels/rows.ts";
import { createChannelStorage } from "../../../../src/keeper/channels/storage.ts";
import { networks } from "../../../../src/networks.ts";
import { configOf, idOf, payee, recordOf, reserved } from "../../../helpers/channelRecords.ts";
import { sharedPostgres } from "../../../helpers/postgres.ts";
import { isLong } from "../../../helpers/randomness.ts";
import { runChild } from "../../journal/contract/processes.ts";
import { openPlace, type Place } from "../../journal/fixtures.ts";
import { childFile } from "../child.ts";

const { chainId } = networks.baseSepolia;
const folder = mkdtempSync(join(tmpdir(), "tributary-channels-"));
const SQLITE_BYTES = "select page_count * page_size as bytes from pragma_page_count, pragma_page_size";
const POSTGRES_BYTES = `select sum(pg_total_relation_size(oid))::bigint as bytes from pg_class
  where relkind = 'r' and relnamespace = $1::regnamespace`;
let places = 0;
let database: Promise<string> | undefined;

describeStorage("a SQLite file", {
  fresh: async () => {
    places += 1;
    return { url: join(folder, `${places}.db`), options: {} };
  },
  bytesOf: async ({ url }) => {
    const file = new DatabaseSync(url, { readOnly: true });
    const { bytes } = file.prepare(SQLITE_BYTES).get() as { bytes: number };
    file.close();
    return bytes;
  },
});
describeStorage("PostgreSQL", {
  fresh: async () => {
    places += 1;
    database ??= sharedPostgres().then((server) => server.createDatabase());
    return { url: await database, options: { schema: `channels_${places}`, poolSize: 5 } };
  },
  bytesOf: async ({ url, options }) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const { rows } = await client.query(POSTGRES_BYTES, [options.schema]);
      return Number(rows[0].bytes);
    } finally {
      await client.end();
    }
  },
});

after(() => rmSync(folder, { recursive: true, force: true }));

type Database = {
  readonly fresh: () => Promise<Place>;
  /** The disk space of all of its tables. */
  readonly bytesOf: (place: Place) => Promise<number>;
};

function describeStorage(name: string, { fresh, bytesOf }: Database): void {
  describe(`createChannelStorage on ${name}`, () => {
    let place: Place;
    let journal: Journal;
    let storage: ChannelStorage;
    const opened: Journal[] = [];

    beforeEach(async () => {
      place = await fresh();
      journal = await openPlace(place);
      storage = createChannelStorage(journal, { chainId });
    });
    afterEach(async () => {
      await Promise.all([journal, ...opened.splice(0)].map((one) => one.close()));
    });

    /** Another server instance on the same database. */
    const another = async (): Promise<ChannelStorage> => {
      const other = await openPlace(place);
      opened.push(other);
      return createChannelStorage(other, { chainId });
    };
    const put = (record: ChannelRecord) => storage.updateChannel(record.channelId, () => record);
    const charge = (one: ChannelStorage, seed: number) =>
      one.updateChannel(idOf(seed), (current) => recordOf(seed, BigInt(current?.chargedCumulativeAmount ?? 0) + 1n));
    const rowOf = async (seed: number) => (await journal.channels([idOf(seed)])).get(idOf(seed));

    describe("updateChannel", () => {
      it("adds, changes, leaves and deletes a record, and says which", async () => {
        const first = reserved(recordOf(1, 0n), "a", 5);
        expect(
          await storage.updateChannel(idOf(1), (current) => (current === undefined ? first : current)),
        ).to.deep.equal({
          channel: first,
          status: "updated",
        });
        expect(await storage.get(idOf(1))).to.deep.equal(first);
        expect(await storage.updateChannel(idOf(1), (current) => current)).to.deep.equal({
          channel: first,
          status: "unchanged",
        });
        await storage.updateChannel(idOf(1), (current) => ({ ...current!, balance: "7" }));
        expect(await storage.get(idOf(1))).to.deep.equal({ ...first, balance: "7" });
        const deleted = { channel: undefined, status: "deleted" };
        expect(await storage.updateChannel(idOf(1), () => undefined)).to.deep.equal(deleted);
        expect(await storage.get(idOf(1))).to.equal(undefined);
        expect(await storage.updateChannel(idOf(1), () => undefined)).to.deep.equal({
          channel: undefined,
          status: "unchanged",
        });
      });

      it("takes an id in any case, and keeps fields that it does not know", async () => {
        const record = { ...recordOf(1, 5n), fromTheFuture: [1] };
        await storage.updateChannel(idOf(1).toUpperCase().replace("0X", "0x"), () => record);
        expect(await storage.get(idOf(1))).to.deep.equal(record);
      });

      it("refuses what is not a channel id, another chain's channel, and an invalid amount", async () => {
        const failed = async (work: Promise<unknown>) => work.catch((error: unknown) => error);
        expect(await failed(storage.get("0x12"))).to.be.instanceOf(ChannelError);
        const elsewhere = createChannelStorage(journal, { chainId: 1 });
        const error = await failed(elsewhere.updateChannel(idOf(1), () => recordOf(1, 1n)));
        expect(error).to.be.instanceOf(ChannelError);
        const bad = await failed(put(recordOf(1, 1n, { balance: "-1" })));
        expect(bad).to.be.instanceOf(JournalError).with.property("kind", "invalid");
        expect(await storage.list()).to.deep.equal([]);
      });

      it("runs concurrent updates of a channel one after another, and only those that throw fail", async () => {
        const fails = storage.updateChannel(idOf(1), () => {
          throw new Error("no");
        });
        const all = await Promise.allSettled([
          ...Array.from({ length: 200 }, (_, i) => charge(storage, 1 + (i % 2))),
          fails,
        ]);
        expect(all.filter(({ status }) => status === "rejected")).to.have.length(1);
        for (const seed of [1, 2]) expect((await storage.get(idOf(seed)))?.chargedCumulativeAmount).to.equal("100");
      });

      it("loses no update of two instances", async () => {
        const other = await another();
        await Promise.all(Array.from({ length: 60 }, (_, i) => charge(i % 2 === 0 ? storage : other, 1)));
        expect((await storage.get(idOf(1)))?.chargedCumulativeAmount).to.equal("60");
      });

      it("knows at once what another instance has stored", async () => {
        const other = await another();
        for (let charged = 1; charged <= 20; charged += 1) {
          await charge(charged % 2 === 0 ? storage : other, 1);
          for (const one of [storage, other]) {
            expect((await one.get(idOf(1)))?.chargedCumulativeAmount).to.equal(`${charged}`);
          }
        }
        await other.updateChannel(idOf(1), (current) => ({ ...current!, totalClaimed: "20" }));
        await other.updateChannel(idOf(1), () => undefined);
        expect(await storage.get(idOf(1))).to.equal(undefined);
      });

      it("loses no update of two processes", async () => {
        const child = runChild("charge", place, "100", undefined, childFile);
        for (let i = 0; i < 100; i += 1) await charge(storage, 1);
        await child;
        expect((await storage.get(idOf(1)))?.chargedCumulativeAmount).to.equal("200");
      });

      it("lets one of many reserve a channel, over instances", async () => {
        const instances = [storage, await another()];
        await put(recordOf(1, 0n));
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            instances[i % 2]!.updateChannel(idOf(1), (current) => {
              return current?.pendingRequest === undefined ? reserved(current!, `${i}`) : current;
            }),
          ),
        );
        expect(results.filter(({ status }) => status === "updated")).to.have.length(1);
      });

      it("loses nothing that was acknowledged, and keeps no lock, when its process is killed", async () => {
        const said = await runChild("charge-until-killed", place, "", (lines) => lines.length >= 15, childFile);
        const last = said.at(-1) as string[];
        for (const [i, seed] of [1, 2, 3].entries()) {
          const charged = Number((await storage.get(idOf(seed)))?.chargedCumulativeAmount);
          expect(charged).to.be.within(Number(last[i]), Number(last[i]) + 1);
          const { channel } = await charge(storage, seed);
          expect(channel?.chargedCumulativeAmount).to.equal(`${charged + 1}`);
        }
      });
    });

    describe("a request in progress", () => {
      it("holds its channel while its process lives, and for one lease when that is killed", async () => {
        const leaseMs = 600;
        // It has renewed the lease three times.
        const isLong = (lines: readonly unknown[]) => lines.length >= 4;
        const said = await runChild("hold-until-killed", place, `${leaseMs}`, isLong, childFile);
        for (const { expiresAt, atMs } of said as { expiresAt: number; atMs: number }[]) {
          expect(expiresAt - atMs).to.be.at.most(leaseMs);
        }
        const last = (await storage.get(idOf(1)))?.pendingRequest;
        const expiresAt = last?.expiresAt ?? Number.NaN;
        expect(expiresAt).to.be.at.most(Date.now() + leaseMs);
        const take = async (nowMs: number) => {
          let isTaken = false;
          await storage.updateChannel(idOf(1), (current) => {
            isTaken = (current?.pendingRequest?.expiresAt ?? 0) <= nowMs;
            return isTaken ? reserved({ ...current!, signedMaxClaimable: "1" }, "next") : current;
          });
          return isTaken;
        };
        expect(await take(expiresAt - 1)).to.equal(false);
        expect(await take(expiresAt)).to.equal(true);
      });
    });

    describe("a deposit", () => {
      it("that the server was not told of leaves it to the chain whether the next voucher is covered", async () => {
        const waiting = recordOf(1, 0n, { signedMaxClaimable: "500", balance: "499" });
        await put(waiting);
        const { onchainSyncedAt: _, ...unsure } = waiting;
        expect(await storage.get(idOf(1))).to.deep.equal(unsure);
        await put({ ...waiting, balance: "500" });
        expect(await storage.get(idOf(1))).to.deep.equal({ ...waiting, balance: "500" });
      });
    });

    describe("deletion", () => {
      it("keeps what is not claimed, for the server and for the keeper, and takes it out of the list", async () => {
        await put(reserved(recordOf(1, 500n), "a"));
        expect((await storage.updateChannel(idOf(1), () => undefined)).status).to.equal("deleted");
        expect(await storage.list()).to.deep.equal([]);
        const { onchainSyncedAt: _, ...kept } = recordOf(1, 500n);
        expect(await storage.get(idOf(1))).to.deep.equal(kept);
        expect(await rowOf(1)).to.deep.include({ isDeleted: true, claimed: 0n });
        await put(recordOf(1, 600n));
        expect(await storage.list()).to.have.length(1);
      });

      it("deletes what is claimed according to the chain or the server", async () => {
        for (const [seed, claimed, known] of [
          [1, "500", 0n],
          [2, "0", 500n],
        ] as const) {
          await put(recordOf(seed, 500n, { totalClaimed: claimed }));
          await changeRows(journal, [idOf(seed)], 1, (row) => ({ ...row, claimed: known }));
          await storage.updateChannel(idOf(seed), () => undefined);
          expect(await rowOf(seed)).to.equal(undefined);
        }
      });
    });

    describe("a withdrawal", () => {
      const withdrawal = { amount: 5n, initiatedAt: 10, finalizeAfter: 910 };
      const reserve = (pendingId: string, change: Partial<ChannelRecord> = {}) => {
        let busy = false;
        const update = storage.updateChannel(idOf(1), (current) => {
          const live = current?.pendingRequest;
          busy = live !== undefined && live.expiresAt > Date.now();
          return busy ? current : reserved({ ...(current ?? recordOf(1, 0n)), ...change }, pendingId);
        });
        return update.then(({ status }) => (busy ? "busy" : status));
      };

      it("makes the channel seem busy to a new request, and lets one that is under way finish", async () => {
        await put(recordOf(1, 3n));
        expect(await reserve("before")).to.equal("updated");
        await changeRows(journal, [idOf(1)], 1, (row) => ({ ...row, withdrawal }));
        const committed = await storage.updateChannel(idOf(1), (current) => {
          expect(current?.pendingRequest?.pendingId).to.equal("before");
          const { pendingRequest: _, ...rest } = current!;
          return { ...rest, chargedCumulativeAmount: "4" };
        });
        expect(committed.status).to.equal("updated");
        expect(await reserve("behind")).to.equal("busy");
        expect((await storage.get(idOf(1)))?.pendingRequest).to.equal(undefined);
        await changeRows(journal, [idOf(1)], 1, (row) => ({ ...row, withdrawal: undefined }));
        expect(await reserve("later")).to.equal("updated");
      });

      it("that the facilitator reports does so too, also for a channel that is not known yet", async () => {
        expect(await reserve("first", { withdrawRequestedAt: 10 })).to.equal("busy");
        expect(await storage.get(idOf(1))).to.equal(undefined);
        const error = await put(reserved(recordOf(1, 1n, { withdrawRequestedAt: 10 }), "x")).catch(
          (reason: unknown) => reason,
        );
        expect(error).to.be.instanceOf(ChannelError);
      });
    });

    describe("list", () => {
      it("gives every channel of its chain, over pages", async () => {
        await Promise.all(Array.from({ length: 603 }, (_, seed) => put(recordOf(seed, 1n))));
        const ids = (await storage.list()).map(({ channelId }) => channelId);
        expect(new Set(ids).size).to.equal(603);
        expect(await createChannelStorage(journal, { chainId: 1 }).list()).to.deep.equal([]);
      });

      const [channels, vouchers] = isLong ? [1_000, 1_000_000] : [50, 2_000];
      it(`takes ${vouchers} vouchers over ${channels} channels without growth`, async () => {
        let bytesEarly = 0;
        for (let done = channels; done <= vouchers; done += channels) {
          await Promise.all(Array.from({ length: channels }, (_, seed) => charge(storage, seed)));
          if (done === vouchers / 10) bytesEarly = await bytesOf(place);
        }
        const records = await storage.list();
        expect(records).to.have.length(channels);
        const total = records.reduce((sum, record) => sum + BigInt(record.chargedCumulativeAmount), 0n);
        expect(total).to.equal(BigInt(vouchers));
        // Only the counted amounts get longer.
        expect(await bytesOf(place)).to.be.within(bytesEarly, 1.25 * bytesEarly);
      });
    });

    describe("the journal", () => {
      it("knows since when something is unclaimed, and who is paid, channels gone included", async () => {
        const at = (nowMs: number) =>
          createChannelStorage(journal, { chainId, clock: { now: () => nowMs, sleep: async () => {} } });
        const set = (nowMs: number, charged: bigint) => at(nowMs).updateChannel(idOf(1), () => recordOf(1, charged));
        await set(10, 0n);
        expect(await rowOf(1)).to.deep.include({ unclaimedSinceMs: undefined });
        await set(20, 5n);
        await set(30, 6n);
        expect(await rowOf(1)).to.deep.include({ unclaimedSinceMs: 20 });
        expect(await journal.listChannels({ chainId, only: "unclaimed", limit: 9 })).to.have.length(1);
        await changeRows(journal, [idOf(1)], 40, (row) => ({ ...row, claimed: 6n }));
        expect(await rowOf(1)).to.deep.include({ unclaimedSinceMs: undefined });
        expect(await journal.listChannels({ chainId, only: "unclaimed", limit: 9 })).to.deep.equal([]);

        const { token } = configOf(1);
        const receiver = { chainId, receiver: payee, token, unswept: 0n, unsweptSinceMs: undefined };
        expect(await journal.channelReceivers(chainId)).to.deep.equal([receiver]);
        await journal.noteChannelReceivers([{ ...receiver, unswept: 2n ** 127n, unsweptSinceMs: 3 }]);
        await put(recordOf(2, 1n));
        await storage.updateChannel(idOf(1), () => undefined);
        expect(await journal.channelReceivers(chainId)).to.deep.equal([
          { ...receiver, unswept: 2n ** 127n, unsweptSinceMs: 3 },
        ]);
      });

      it("keeps a keeper's calls until they are removed", async () => {
        const call = {
          key: "one",
          chainId,
          to: payee,
          data: "0x1234",
          gas: 2n ** 70n,
          deadlineSeconds: 9n,
          claims: [{ channelId: idOf(1), totalClaimed: 2n ** 100n }],
          sweeps: [{ receiver: payee, token: configOf(1).token }],
          createdAtMs: 5,
          state: "open",
        } as const;
        await journal.storeKeeperCall(call);
        await journal.storeKeeperCall({ ...call, state: "mined" });
        expect(await journal.keeperCalls(chainId)).to.deep.equal([{ ...call, state: "mined" }]);
        await journal.removeKeeperCall("one");
        expect(await journal.keeperCalls(chainId)).to.deep.equal([]);
      });
    });
  });
}
