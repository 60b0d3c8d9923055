import { request } from "node:http";
import { expect } from "chai";
import { startLocalChain } from "../../src/local/index.ts";
import { startFacilitatorCli } from "../helpers/facilitatorCli.ts";

describe("tributary facilitator, where it listens", () => {
  let chain: Awaited<ReturnType<typeof startLocalChain>>;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  it("warns when other machines can reach it, and names HOST in the environment", async () => {
    const cases = [
      [[], {}, undefined],
      [[], { HOST: "127.0.0.1" }, undefined],
      [["--host", "0.0.0.0"], {}, "the facilitator listens on 0.0.0.0: other machines can reach it"],
      [
        [],
        { HOST: "0.0.0.0" },
        "the facilitator listens on 0.0.0.0, from HOST in the environment: other machines can reach it",
      ],
    ] as const;
    for (const [args, env, message] of cases) {
      const facilitator = await startFacilitatorCli([...args], { RPC_URL: chain.rpcUrl, ...env });
      expect(await facilitator.stop()).to.equal(0);
      const log = facilitator.stderr();
      if (message === undefined) expect(log).to.not.include("other machines");
      else expect(log).to.include(`"msg":"${message}"`);
    }
  });

  it("reads who may ask, and by which names, from the command line and the environment", async () => {
    const facilitator = await startFacilitatorCli(
      ["--allowed-host", "pay.example", "--allowed-host", "pay2.example", "--rate-limit", "1"],
      { RPC_URL: chain.rpcUrl, TRUST_PROXY: "127.0.0.1,10.0.0.0/8", ALLOWED_ORIGINS: "https://shop.example" },
    );
    const { url } = facilitator.summary;
    const statusOf = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request(`${url}/verify`, {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
        });
        asked.once("response", (answer) => resolve(answer.resume().statusCode)).once("error", reject);
        asked.end("{}");
      });
    expect(await statusOf({ host: "pay2.example", origin: "https://shop.example" })).to.equal(400);
    expect(await statusOf({ host: "pay3.example" })).to.equal(421);
    expect(await statusOf({ origin: "https://evil.example" })).to.equal(403);
    // Two at once are each caller's: more than two of one are too many.
    const callers = Array.from({ length: 20 }, (_, i) => statusOf({ "x-forwarded-for": `203.0.113.${i}, 10.0.0.7` }));
    expect(await Promise.all(callers)).to.deep.equal(callers.map(() => 400));
    expect(await facilitator.stop()).to.equal(0);
  });
});
