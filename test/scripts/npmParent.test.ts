import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { TEST_MNEMONIC, withFolder } from "../helpers/cli.ts";
import { cleanEnvironment } from "../helpers/environment.ts";
import { until } from "../helpers/until.ts";

const program = join(import.meta.dirname, "..", "..", "scripts", "tributary.ts");
const PAYEE = "0x00000000000000000000000000000000000000AA";

/** Notes the id of the process that runs a command, which is a grandchild of npx. */
const NOTE_ID = `import { writeFileSync } from "node:fs";
if (process.argv[1]?.endsWith("tributary")) writeFileSync(process.env.ID_FILE, String(process.pid));`;

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}

describe("npx tributary", () => {
  /** Starts `npx tributary …args` in a project with the package. Returns npx and the process that runs the command. */
  async function withNpx(
    args: readonly string[],
    body: (running: {
      readonly npx: ChildProcess;
      readonly id: number;
      readonly stdout: () => string;
    }) => Promise<void>,
  ): Promise<void> {
    await withFolder(async (folder) => {
      mkdirSync(join(folder, "node_modules", ".bin"), { recursive: true });
      writeFileSync(join(folder, "package.json"), '{"private":true}');
      symlinkSync(program, join(folder, "node_modules", ".bin", "tributary"));
      const idFile = join(folder, "id");
      const { PATH = "" } = process.env;
      const npx = spawn("npm", ["exec", "--offline", "--", "tributary", ...args], {
        cwd: folder,
        env: cleanEnvironment({
          PATH: `${dirname(process.execPath)}:${PATH}`,
          HOME: folder,
          MNEMONIC: TEST_MNEMONIC,
          ID_FILE: idFile,
          NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(NOTE_ID)}`,
        }),
        stdio: ["ignore", "pipe", "pipe"],
        // Its own process group, as a terminal gives a command.
        detached: true,
      });
      let [stdout, stderr] = ["", ""];
      npx.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      npx.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      const id = await until(() => {
        if (npx.exitCode !== null) throw new Error(`npx ended with ${npx.exitCode}: ${stderr}`);
        return existsSync(idFile) && Number(readFileSync(idFile, "utf8"));
      }, "the command begins");
      try {
        await body({ npx, id, stdout: () => stdout });
      } finally {
        if (isAlive(id)) process.kill(id, "SIGKILL");
      }
    });
  }

  for (const signal of ["SIGTERM", "SIGHUP", "SIGKILL"] as const) {
    it(`leaves no command behind that listens for signals when npx alone gets ${signal}`, async () => {
      await withNpx(["local", "--port", "0", "--json"], async ({ npx, id, stdout }) => {
        await until(() => stdout().includes("rpcUrl"), "the chain runs");
        expect(id).not.to.equal(npx.pid);
        npx.kill(signal);
        await until(() => !isAlive(id), "the command ends");
      });
    });
  }

  it("leaves no command behind that does not listen for signals", async () => {
    let asked = false;
    const node = createServer(() => {
      // It never answers.
      asked = true;
    });
    await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
    const { port } = node.address() as AddressInfo;
    const args = ["inspect", `0x${"ab".repeat(32)}`, "--rpc-timeout", "600", "--rpc-url", `http://127.0.0.1:${port}`];
    try {
      await withNpx(args, async ({ npx, id }) => {
        await until(() => asked, "it waits for the node");
        npx.kill("SIGKILL");
        await until(() => !isAlive(id), "the command ends");
      });
    } finally {
      node.closeAllConnections();
      await new Promise((resolve) => node.close(resolve));
    }
  });

  it("ends with Ctrl-C, which a terminal sends to all of them", async () => {
    await withNpx(["local", "--port", "0", "--json"], async ({ npx, id, stdout }) => {
      await until(() => stdout().includes("rpcUrl"), "the chain runs");
      process.kill(-Number(npx.pid), "SIGINT");
      await until(() => !isAlive(id), "the command ends");
    });
  });

  it("lets a command run while its npx runs", async () => {
    await withNpx(["sign", "--payee", PAYEE, "--amount", "1", "--count", "3000"], async ({ npx, stdout }) => {
      const code = await new Promise((resolve) => npx.once("close", resolve));
      expect(code).to.equal(0);
      expect(stdout().trimEnd().split("\n")).to.have.lengthOf(3_000);
    });
  });
});
