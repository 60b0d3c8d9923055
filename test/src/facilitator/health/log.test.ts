import { expect } from "chai";
import { createJsonLogger } from "../../../../src/facilitator/health/log.ts";

describe("createJsonLogger", () => {
  it("writes a line of JSON for each event at its level, bigints as text, and drops what is secret", () => {
    const lines: string[] = [];
    const log = createJsonLogger("info", (line) => lines.push(line));
    log.debug("unheard");
    log.info("settled", { gas: 5n, signature: "0x5ec7e7", inner: { signature: "0x5ec7e7", privateKey: "0x5ec7e7" } });
    expect(lines).to.have.length(1);
    const { time, ...event } = JSON.parse(lines[0] ?? "");
    expect(Date.parse(time)).to.be.above(0);
    expect(event).to.deep.equal({ level: 30, msg: "settled", gas: "5", inner: {} });
  });
});
