import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { sendHeaders } from "../../../../src/cli/pay/request.ts";
import { STOP_SIGNALS } from "../../../../src/cli/process/stopSignals.ts";
import { inRun } from "../../../../src/cli/process/surroundings.ts";

describe("sendHeaders", () => {
  for (const signal of STOP_SIGNALS) {
    it(`ends the wait for an answer at ${signal}, and leaves the signal its usual effect`, async () => {
      const signals = new EventEmitter();
      const server = createServer(() => signals.emit(signal));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      try {
        const { stdin, stdout, stderr } = process;
        const answer = await inRun(() => sendHeaders({ url: `http://127.0.0.1:${port}`, method: "GET" }, {}), {
          ...{ stdin, stdout, stderr, env: {} },
          signals,
        });
        expect(answer).to.deep.equal({ lost: "it was interrupted" });
        expect(signals.listenerCount(signal)).to.equal(0);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
  }
});
