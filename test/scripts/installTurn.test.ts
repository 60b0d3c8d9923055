import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { withFolder } from "../helpers/cli.ts";
import { until } from "../helpers/until.ts";

const module = new URL("../../scripts/dev/installTurn.mjs", import.meta.url).href;

/** Takes its turn, notes when it began, and ends once it may. */
const INSTALL = `
  import { appendFileSync, existsSync } from "node:fs";
  import { takeTurn } from "${module}";
  takeTurn(".");
  appendFileSync("log", "begin " + process.pid + "\\n");
  while (!existsSync("may-end")) await new Promise((resolve) => setTimeout(resolve, 20));
  appendFileSync("log", "end " + process.pid + "\\n");
`;

describe("installing into a checkout", () => {
  const running = new Set<ReturnType<typeof spawn>>();
  afterEach(() => {
    for (const child of running) child.kill("SIGKILL");
  });

  function install(cwd: string) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", INSTALL], {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
    });
    running.add(child);
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    return { pid: child.pid, stderr: () => stderr, code, kill: () => child.kill("SIGKILL") };
  }

  const logOf = (folder: string): string[] =>
    existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").split("\n").slice(0, -1) : [];

  it("is done by one command at a time, while the others wait and say for which", async () => {
    await withFolder(async (folder) => {
      const first = install(folder);
      await until(() => logOf(folder).length === 1);
      const others = [install(folder), install(folder), install(folder)];
      const waiting = `tributary: waiting for process ${first.pid}, which installs here`;
      await until(() => others.every(({ stderr }) => stderr().includes(waiting)));
      expect(logOf(folder)).to.deep.equal([`begin ${first.pid}`]);
      writeFileSync(join(folder, "may-end"), "");
      expect(await Promise.all([first, ...others].map(({ code }) => code))).to.deep.equal([0, 0, 0, 0]);
      const log = logOf(folder);
      expect(log).to.have.length(8);
      for (let index = 0; index < 8; index += 2) {
        expect(log[index + 1]).to.equal(log[index]?.replace("begin", "end"));
      }
      expect(existsSync(join(folder, ".installing"))).to.equal(false);
    });
  });

  it("continues if the previous one was killed", async () => {
    await withFolder(async (folder) => {
      const killed = install(folder);
      await until(() => logOf(folder).length === 1);
      killed.kill();
      await killed.code;
      expect(readFileSync(join(folder, ".installing"), "utf8")).to.equal(String(killed.pid));
      writeFileSync(join(folder, "may-end"), "");
      expect(await install(folder).code).to.equal(0);
      expect(logOf(folder)).to.have.length(3);
    });
  });

  it("makes every command of package.json that needs it wait for it", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    for (const name of ["local", "facilitator", "resource-server", "pay", "tributary", "demo"]) {
      expect(scripts[`pre${name}`], name).to.equal("node scripts/dev/bootstrap.mjs");
    }
    // Nothing is missing here, so it has nothing to wait for.
    const root = new URL("../..", import.meta.url);
    const { status, stderr } = spawnSync(process.execPath, ["scripts/dev/bootstrap.mjs"], { cwd: root });
    expect(status, stderr.toString()).to.equal(0);
  });
});
