import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { connectChain } from "../../src/chain/client.ts";
import { systemClock } from "../../src/clock.ts";
import { createFacilitator, serveFacilitator } from "../../src/facilitator/index.ts";
import { openJournal } from "../../src/journal/index.ts";
import { startLocalChain } from "../../src/local/index.ts";
import {
  type Answer,
  authorize,
  bodyV2,
  type FacilitatorLab,
  openFacilitatorLab,
  payerOf,
} from "../helpers/facilitator.ts";
import { sharedPostgres } from "../helpers/postgres.ts";
import { openTcpGate } from "../helpers/tcpGate.ts";
import { until } from "../helpers/until.ts";

const PAGES = 400;
const PAGE_BYTES = 4_096;

describe("a facilitator in trouble", () => {
  let lab: FacilitatorLab;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tributary-trouble-"));
    lab = await openFacilitatorLab({ blockTimeSeconds: 0.5 });
  });
  after(async () => {
    await lab.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const refusedFor = ({ status, body, headers }: Answer, message: string): void => {
    expect(status, JSON.stringify(body)).to.equal(503);
    expect(body.invalidMessage ?? body.errorMessage).to.include(message);
    expect(Number(headers.get("retry-after"))).to.be.greaterThan(0);
  };

  it("calls nothing valid and is not ready while its disk is full, and continues when there is room", async () => {
    const path = join(folder, "full.db");
    const journal = await openJournal(path, { maxPageCount: PAGES });
    const served = await lab.serve({ journal });
    const payer = await lab.payer(7_000);
    expect((await served.get("/ready")).status).to.equal(200);
    const filler = new DatabaseSync(path, { timeout: 60_000 });
    filler.exec("create table filler (bytes blob)");
    filler.exec(`insert into filler values (zeroblob(${PAGES * PAGE_BYTES}))`);

    const ready = await until(async () => {
      const answer = await served.get("/ready");
      return answer.status === 503 && answer;
    });
    expect(await ready.json()).to.deep.equal({ status: "not-ready", problem: "The journal's disk is full." });
    refusedFor(await served.verify(bodyV2(await authorize(payer))), "The journal's disk is full.");
    // Until the free space within its pages is used up, a payment may still be accepted; then it is refused as it should be.
    const refused = await until(async () => {
      const answer = await served.settle(bodyV2(await authorize(payer, { value: 1n })));
      if (answer.status === 200) expect(answer.body.success).to.equal(true);
      return answer.status !== 200 && answer;
    });
    refusedFor(refused, "The journal's disk is full. Nothing is known against the payment.");
    const metrics = await served.get("/metrics");
    expect(metrics.status).to.equal(200);
    expect(await metrics.text()).to.include("\ntributary_journal_up 0\n");

    filler.exec("drop table filler");
    filler.close();
    const signed = await authorize(payer);
    await until(async () => (await served.verify(bodyV2(signed))).body.isValid === true);
    expect((await served.get("/ready")).status).to.equal(200);
    expect((await served.settle(bodyV2(signed))).body.success).to.equal(true);
    await served.close();
    await journal.close();
  });

  it("answers 503 and renders its metrics while the database is down, and continues when it is back", async () => {
    const url = new URL(await (await sharedPostgres()).createDatabase());
    const gate = await openTcpGate(Number(url.port));
    url.port = String(gate.port);
    const journal = await openJournal(url.href);
    const served = await lab.serve({ journal });
    const payer = await lab.payer(7_001);
    const signed = await authorize(payer);
    expect((await served.verify(bodyV2(signed))).body.isValid).to.equal(true);

    await gate.shut();
    refusedFor(await served.settle(bodyV2(signed)), "The database cannot be reached.");
    refusedFor(await served.verify(bodyV2(signed)), "The database cannot be reached.");
    const ready = await served.get("/ready");
    expect(ready.status).to.equal(503);
    expect(await ready.json()).to.deep.include({ problem: "The database cannot be reached." });
    const status = await served.get(`/payments/eip155:84532/${signed.token}/${signed.from}/${signed.nonce}`);
    expect(status.status).to.equal(503);
    const metrics = await served.get("/metrics");
    const text = await metrics.text();
    expect(metrics.status).to.equal(200);
    expect(text).to.include("\ntributary_journal_up 0\n");
    expect(text)
      .to.include("\ntributary_queue_payments Nan\n")
      .and.not.match(/tributary_journal_payments\{/);
    expect(text).to.match(/tributary_refused_requests_total\{path="settle",status="503"\} \d/);

    await gate.open();
    await until(async () => (await served.get("/ready")).status === 200);
    expect((await served.settle(bodyV2(signed))).body.success).to.equal(true);
    expect(await (await served.get("/metrics")).text()).to.include("\ntributary_journal_up 1\n");
    await served.close();
    await gate.shut();
    await journal.close();
  });

  it("shares one probe among all who ask at once", async () => {
    const journal = await openJournal(":memory:");
    let probes = 0;
    const counting = {
      ...journal,
      probe: () => {
        probes += 1;
        return journal.probe();
      },
    };
    const served = await lab.serve({ journal: counting });
    const answers = await Promise.all(Array.from({ length: 50 }, () => served.get("/ready")));
    expect(answers.map(({ status }) => status)).to.deep.equal(Array(50).fill(200));
    expect(probes).to.equal(1);
    await served.close();
    await journal.close();
  });

  it("is not ready while the chain's newest block is old, if blocks come without transactions", async () => {
    const late = { ...systemClock, now: () => Date.now() + 55_000 };
    const served = await lab.serve({ clock: late });
    const ready = await served.get("/ready");
    expect(ready.status).to.equal(503);
    const { problem } = (await ready.json()) as { readonly problem: string };
    const warning = served.facilitator.warnings.join();
    expect(problem).to.match(/^the node's newest block is \d+ s old, more than 16 s$/);
    expect(warning).to.match(/newest block is \d+ s old.*this machine's clock is ahead/);
    // A block is mined each second, so it is that much younger at most; on a busy machine it may be older.
    for (const text of [problem, warning]) expect(Number(/block is (\d+) s/.exec(text)?.[1])).to.be.at.least(50);
    const patient = await lab.serve({ clock: late, maxHeadAgeSeconds: Number.POSITIVE_INFINITY });
    expect((await patient.get("/ready")).status).to.equal(200);

    const onDemand = await openFacilitatorLab({ blockTimeSeconds: 0 });
    const still = await onDemand.serve({ clock: late });
    expect((await still.get("/ready")).status).to.equal(200);
    await onDemand.stop();
  });

  it("warns at its start about a key without ether, a chain without a router, and a clock that is behind", async () => {
    const chain = await startLocalChain({ bare: true, blockTimeSeconds: 1 });
    const journal = await openJournal(":memory:");
    const clock = { ...systemClock, now: () => Date.now() - 90_000 };
    const client = await connectChain(chain.rpcUrl);
    const broke = payerOf(7_002);
    const said: string[] = [];
    const quiet = (): void => undefined;
    const logger = { debug: quiet, info: quiet, error: quiet, warn: (message: string) => void said.push(message) };
    const facilitator = await createFacilitator(client, { journal, senders: [broke], clock, logger });
    const served = await serveFacilitator(facilitator, { port: 0 });
    expect(facilitator.warnings[0]).to.equal(
      `${broke.address} has no ether for gas: it sends nothing until it has some`,
    );
    expect(facilitator.warnings[1]).to.include("there is no settlement router on this chain");
    expect(facilitator.warnings[2]).to.match(/newest block is \d+ s in the future: this machine's clock is behind/);
    expect(said).to.include.members([...facilitator.warnings]);
    expect(await (await fetch(`${served.url}/ready`)).json()).to.deep.include({ problem: "no key has ether for gas" });
    await served.close({ graceMs: 0 });
    await journal.close();
    await chain.stop();
  });
});
