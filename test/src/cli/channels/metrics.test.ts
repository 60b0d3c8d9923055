import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, openChainLab } from "../../../helpers/chainLab.ts";
import { runCli, startCommand, withFolder } from "../../../helpers/cli.ts";

describe("channels keep --metrics-port", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const keep = (folder: string, port: number) => [
    ...["channels", "keep", "--rpc-url", lab.chain.rpcUrl, "--journal", join(folder, "journal.db")],
    ...["--metrics-port", `${port}`, "--every", "1", "--lease", "5"],
  ];

  it("serves the keeper's metrics on this machine alone, and nothing else", async () => {
    await withFolder(async (folder) => {
      const running = startCommand([...keep(folder, 0), "--json"]);
      await running.until(() => running.stdout().includes('"keeping":true'));
      const { metrics } = JSON.parse(running.stdout().split("\n")[0] ?? "{}");
      expect(metrics).to.match(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
      await running.until(async () => {
        const text = await (await fetch(metrics)).text();
        return Number(/^tributary_keeper_last_round_timestamp_seconds (\S+)$/m.exec(text)?.[1]) > 0;
      });
      const response = await fetch(metrics);
      expect(response.headers.get("content-type")).to.match(/^text\/plain/);
      expect(await response.text()).to.match(/^tributary_sender_balance_ether\{sender="0x\w{40}"\} 9999/m);
      for (const [path, method] of [["/", "GET"] as const, ["/metrics", "POST"] as const]) {
        expect((await fetch(new URL(path, metrics), { method })).status).to.equal(404);
      }
      const foreign = await new Promise((resolve) =>
        get(metrics, { headers: { host: "evil.example" } }, (answer) => resolve(answer.resume().statusCode)),
      );
      expect(foreign).to.equal(421);
      expect(running.stderr()).to.not.include("other machines");
      expect(await running.stop()).to.equal(0);
      expect(await fetch(metrics).catch(() => "gone")).to.equal("gone");
    });
  });

  it("warns when other machines can reach the metrics", async () => {
    await withFolder(async (folder) => {
      const running = startCommand([...keep(folder, 0), "--json", "--metrics-host", "0.0.0.0"]);
      await running.until(() => running.stdout().includes('"keeping":true'));
      expect(running.stderr()).to.include("warning: metrics are served on 0.0.0.0: other machines can reach it");
      expect(await running.stop()).to.equal(0);
    });
  });

  it("refuses a port that is taken, and leaves the key free", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await withFolder(async (folder) => {
        for (let i = 0; i < 2; i += 1) {
          const { code, stderr } = await runCli(keep(folder, port));
          expect(code).to.equal(2);
          expect(stderr).to.contain(`Port ${port} of 127.0.0.1 is taken.`);
        }
      });
    } finally {
      server.close();
    }
  });
});
