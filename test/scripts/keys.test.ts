import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { privateKeyToAddress } from "viem/accounts";
import { readKeystore } from "../../src/keystore.ts";
import { type CliResult, runCli, withFolder } from "../helpers/cli.ts";

const env = { KEYSTORE_PASSPHRASE: "a passphrase" };

describe("keys", () => {
  let folder: string;
  /** A key that several cases look at: making one takes about a second. */
  let file: string;
  let made: CliResult;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tributary-"));
    file = join(folder, "settler.json");
    made = await runCli(["keys", "new", "--out", file, "--json"], { env });
  });
  after(() => rm(folder, { recursive: true }));

  it("makes a key, shows its address and keeps the key to itself", async () => {
    expect(made).to.deep.include({ code: 0, stderr: "" });
    const { address } = JSON.parse(made.stdout);
    const privateKey = await readKeystore(file, env.KEYSTORE_PASSPHRASE);
    expect(privateKeyToAddress(privateKey)).to.equal(address);
    expect(JSON.parse(made.stdout)).to.deep.equal({ address, file });
    expect((await stat(file)).mode & 0o777).to.equal(0o600);

    const shown = await runCli(["keys", "show", file]);
    expect(shown).to.deep.include({ code: 0, stdout: `${address}\n`, stderr: "" });
    const json = await runCli(["keys", "show", file, "--json"]);
    expect(JSON.parse(json.stdout)).to.deep.equal({ address, file });
  });

  it("names the file after the address if no name is given", () =>
    withFolder(async (folder) => {
      const { code, stdout } = await runCli(["keys", "new"], { env, cwd: folder });
      const [file] = await readdir(folder);
      expect({ code, stdout }).to.deep.equal({
        code: 0,
        stdout: `${file?.replace(".keystore.json", "")} in ${file}\n`,
      });
      expect(file).to.match(/^0x[0-9a-fA-F]{40}\.keystore\.json$/);
    }));

  it("never replaces a file", async () => {
    const before = await readFile(file, "utf8");
    const { code, stdout, stderr } = await runCli(["keys", "new", "--out", file], { env });
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.contain(`${file} exists and was left as it is.`);
    expect(await readFile(file, "utf8")).to.equal(before);
  });

  it("needs a passphrase", () =>
    withFolder(async (folder) => {
      const { code, stderr } = await runCli(["keys", "new", "--out", join(folder, "settler.json")]);
      expect(code).to.equal(2);
      expect(stderr).to.contain("hint: Set KEYSTORE_PASSPHRASE in the environment.");
      expect(await readdir(folder)).to.deep.equal([]);
    }));

  it("refuses a passphrase of less than eight characters for a new key", () =>
    withFolder(async (folder) => {
      const make = (passphrase: string) =>
        runCli(["keys", "new", "--out", join(folder, "settler.json")], { env: { KEYSTORE_PASSPHRASE: passphrase } });
      for (const short of ["x", "seven c"]) {
        const { code, stderr } = await make(short);
        expect(code).to.equal(2);
        expect(stderr).to.contain(`The passphrase has ${short.length} of at least 8 characters; no file was made.`);
      }
      expect(await readdir(folder)).to.deep.equal([]);
      expect((await make("eight ch")).code).to.equal(0);
    }));

  it("reveals no key to a pipe", async () => {
    for (const args of [["--reveal"], ["--reveal", "--json"]]) {
      const { code, stdout, stderr } = await runCli(["keys", "show", file, ...args], { env });
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.contain("--reveal prints a private key, and only on a terminal.");
    }
  });

  it("says what is wrong with a file", () =>
    withFolder(async (folder) => {
      const missing = await runCli(["keys", "show", join(folder, "none.json")]);
      expect(missing.code).to.equal(2);
      expect(missing.stderr).to.contain("none.json cannot be read.");
      const other = await runCli(["keys", "show", join(import.meta.dirname, "..", "..", "package.json")]);
      expect(other.code).to.equal(2);
      expect(other.stderr).to.contain("package.json is not a keystore of version 3.");
    }));
});
