import { expect } from "chai";
import { authorizationId, termsDigest } from "../../../../src/authorization/identity.ts";
import { type ChainClient, connectChain } from "../../../../src/chain/client.ts";
import { type Journal, openJournal, type PaymentState } from "../../../../src/journal/index.ts";
import type { NewPayment } from "../../../../src/journal/ports/payments.ts";
import { startLocalChain } from "../../../../src/local/index.ts";
import { createOutcomeWatch } from "../../../../src/settlement/outcome/watch.ts";
import { accountAt, fakePayment, nonceAt } from "../../../helpers/payments.ts";

const NOW_MS = 1_800_000_000_000;
const NOW = 1_800_000_000n;
const ATTACKER = 1;
const NEWCOMER = 2;

describe("createOutcomeWatch", () => {
  let chain: Awaited<ReturnType<typeof startLocalChain>>;
  let client: ChainClient;
  let journal: Journal;
  let nowMs = NOW_MS;
  let nextNonce = 1;
  const clock = { now: () => nowMs, sleep: async () => undefined };

  before(async () => {
    chain = await startLocalChain();
    client = await connectChain(chain.rpcUrl);
  });
  beforeEach(async () => {
    nowMs = NOW_MS;
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());
  after(() => chain.stop());

  function open(maxWatched?: number) {
    const apply = async (transitions: Parameters<Journal["transition"]>[0]) => {
      for (const row of await journal.transition(transitions, nowMs)) watch.note(row);
    };
    const bound = maxWatched === undefined ? {} : { maxWatched };
    const watch = createOutcomeWatch({ journal, client, clock, apply, ...bound });
    return watch;
  }

  /** Stores payments of one payer with this end; resolves with their rows. */
  async function ended(count: number, payer: number, state: PaymentState, deadline: (index: number) => bigint) {
    const payments = Array.from({ length: count }, (_, index): NewPayment => {
      const authorization = fakePayment({
        from: accountAt(payer),
        nonce: nonceAt(nextNonce++),
        validBefore: deadline(index),
      });
      return {
        identity: authorizationId(authorization),
        digest: termsDigest(authorization),
        work: { kind: "authorization", authorization, payerHasCode: false },
        deadlineSeconds: authorization.validBefore,
        acceptedBlock: 0n,
        source: undefined,
      };
    });
    const rows = (await journal.accept(payments, nowMs)).map(({ row }) => row);
    const evidence = { kind: "deadline", blockNumber: 1n, blockTimestamp: NOW, final: false } as const;
    return journal.transition(
      rows.map(({ id }) => ({ paymentId: id, from: ["queued"], to: state, evidence })),
      nowMs,
    );
  }

  const isProved = async (id: number) => {
    const row = await journal.payment(id);
    return row?.evidence.kind === "deadline" && row.evidence.final;
  };
  const horizonAt = async (timestamp: bigint) => {
    const number = await client.getBlockNumber();
    return { safe: number, final: number, finalTimestamp: timestamp };
  };

  it("proves a newcomer's expiry in the first look, whatever one payer has stored", async () => {
    const watch = open();
    // 3,000 of one payer, all due before the newcomer's: six looks by age.
    for (const row of await ended(3_000, ATTACKER, "expired", (index) => NOW - 5_000n + BigInt(index))) watch.note(row);
    const [newcomer] = await ended(1, NEWCOMER, "expired", () => NOW - 10n);
    watch.note(newcomer!);
    await watch.look(await horizonAt(NOW));
    expect(await isProved(newcomer!.id)).to.equal(true);
  });

  it("follows a newcomer if its list is full of far deadlines, and later adds what it had no room for", async () => {
    const watch = open(1_000);
    const far = await ended(1_500, ATTACKER, "rejected", (index) => NOW + 86_400n + BigInt(index));
    for (const row of far) watch.note(row);
    const [newcomer] = await ended(1, NEWCOMER, "expired", () => NOW - 10n);
    watch.note(newcomer!);
    await watch.look(await horizonAt(NOW));
    expect(await isProved(newcomer!.id)).to.equal(true);
    // The attacker's own later expiries are found too, although the list was full when they came.
    const late = await ended(1_200, ATTACKER, "expired", () => NOW + 90_000n);
    for (const row of late) watch.note(row);
    nowMs += 100_000_000;
    for (let round = 0; round < 20; round += 1) await watch.look(await horizonAt(NOW + 100_000n));
    const proved = await Promise.all(late.map(({ id }) => isProved(id)));
    expect(proved.filter(Boolean)).to.have.length(1_200);
  });

  it("follows a newcomer after a restart on such a journal, within a bounded number of looks", async () => {
    await ended(1_500, ATTACKER, "rejected", (index) => NOW + 86_400n + BigInt(index));
    const [newcomer] = await ended(1, NEWCOMER, "expired", () => NOW - 10n);
    const watch = open(1_000);
    await watch.load(new AbortController().signal);
    await watch.look(await horizonAt(NOW));
    expect(await isProved(newcomer!.id)).to.equal(true);
  });

  it("leaves a refusal unchanged whose deadline is more than thirty days ahead", async () => {
    const watch = open(100);
    const rows = await ended(1_000, ATTACKER, "rejected", () => NOW + 31n * 86_400n);
    for (const row of rows) watch.note(row);
    const [newcomer] = await ended(1, NEWCOMER, "expired", () => NOW - 10n);
    watch.note(newcomer!);
    await watch.look(await horizonAt(NOW));
    expect(await isProved(newcomer!.id)).to.equal(true);
  });
});
