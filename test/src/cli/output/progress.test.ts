import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";
import { cleanEnvironment } from "../../../helpers/environment.ts";

const program = join(import.meta.dirname, "..", "..", "..", "..", "scripts", "tributary.ts");
/** Makes a process treat its stderr as a terminal, as if it were a pseudo-terminal. */
const TERMINAL = 'Object.defineProperty(process.stderr, "isTTY", { value: true });';
const [HIDDEN, SHOWN] = ["\u001b[?25l", "\u001b[?25h"];

describe("startProgress", () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    it(`shows the cursor again when ${signal} ends the demo`, async () => {
      const nodeOptions = [`--import=data:text/javascript,${encodeURIComponent(TERMINAL)}`];
      const child = spawn(process.execPath, [...nodeOptions, program, "demo", "--requests", "5000"], {
        env: cleanEnvironment(),
        stdio: ["ignore", "ignore", "pipe"],
      });
      let stderr = "";
      child.stderr.on("data", (chunk: Buffer) => {
        const hadBar = stderr.includes(HIDDEN);
        stderr += chunk.toString();
        if (!hadBar && stderr.includes(HIDDEN)) child.kill(signal);
      });
      const ended = await new Promise((resolve) => child.once("close", (code, by) => resolve({ code, by })));
      expect(ended, stderr).to.deep.equal({ code: null, by: signal });
      expect(stderr).to.include("answers sold");
      expect(stderr.lastIndexOf(SHOWN)).to.be.above(stderr.lastIndexOf(HIDDEN));
    });
  }
});
