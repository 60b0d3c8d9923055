import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { Wallet } from "ethers";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import {
  createKeystore,
  KeystoreError,
  keystoreAddress,
  readKeystore,
  WrongPassphraseError,
} from "../../src/keystore.ts";
import { withFolder } from "../helpers/cli.ts";

/** The format's own test vector (ethereum.org, "Web3 secret storage definition"), passphrase `testpassword`. */
const VECTOR = {
  crypto: {
    cipher: "aes-128-ctr",
    cipherparams: { iv: "83dbcc02d8ccb40e466191a123791e0e" },
    ciphertext: "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
    kdf: "scrypt",
    kdfparams: {
      dklen: 32,
      n: 262144,
      p: 8,
      r: 1,
      salt: "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
    },
    mac: "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
  },
  id: "3198bc9c-6672-5ab3-d995-4942343ae5b6",
  version: 3,
};
const VECTOR_KEY = "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

/** Weak on purpose: the tests have nothing to protect. */
const quick = { scryptCost: 2 };

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("createKeystore", () => {
  it("keeps a key that readKeystore returns", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      const privateKey = generatePrivateKey();
      const address = await createKeystore(file, privateKey, "pässphrase with blanks ", quick);
      expect(address).to.equal(privateKeyToAddress(privateKey));
      expect(await readKeystore(file, "pässphrase with blanks ")).to.equal(privateKey);
      expect(await keystoreAddress(file)).to.equal(address);
    }));

  it("writes what ethers opens, at the full cost", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      const privateKey = generatePrivateKey();
      await createKeystore(file, privateKey, "a secret");
      const text = await readFile(file, "utf8");
      expect(JSON.parse(text)).to.have.nested.property("crypto.kdfparams.n", 262_144);
      expect(text).to.not.contain(privateKey.slice(2));
      const wallet = await Wallet.fromEncryptedJson(text, "a secret");
      expect(wallet.privateKey).to.equal(privateKey);
    }));

  it("lets only the owner read it, and leaves nothing else behind", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      await createKeystore(file, generatePrivateKey(), "a secret", quick);
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
      expect(await readdir(folder)).to.deep.equal(["key.json"]);
    }));

  it("never replaces a file", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      await writeFile(file, "precious");
      const error = await rejection(createKeystore(file, generatePrivateKey(), "a secret", quick));
      expect(error).to.be.instanceOf(KeystoreError);
      expect(error).to.include({ shortMessage: `${file} exists and was left as it is.`, details: "EEXIST" });
      expect(await readFile(file, "utf8")).to.equal("precious");
      expect(await readdir(folder)).to.deep.equal(["key.json"]);
    }));

  it("lets one of two that race for a file win, and keeps the winner's key", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      const keys = [generatePrivateKey(), generatePrivateKey()] as const;
      const results = await Promise.allSettled(keys.map((key) => createKeystore(file, key, "a secret", quick)));
      expect(results.map(({ status }) => status).sort()).to.deep.equal(["fulfilled", "rejected"]);
      const winner = results[0]?.status === "fulfilled" ? keys[0] : keys[1];
      expect(await readKeystore(file, "a secret")).to.equal(winner);
    }));

  it("says why a file cannot be written", () =>
    withFolder(async (folder) => {
      const file = join(folder, "missing", "key.json");
      const error = await rejection(createKeystore(file, generatePrivateKey(), "a secret", quick));
      expect(error).to.be.instanceOf(KeystoreError);
      expect(error).to.include({ shortMessage: `${file} cannot be written.`, details: "ENOENT" });
    }));
});

describe("readKeystore", () => {
  it("opens the format's test vector", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      await writeFile(file, JSON.stringify(VECTOR));
      expect(await readKeystore(file, "testpassword")).to.equal(VECTOR_KEY);
      expect(await keystoreAddress(file)).to.equal(undefined);
    }));

  it("opens what ethers writes", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      const privateKey = generatePrivateKey();
      await writeFile(file, new Wallet(privateKey).encryptSync("a secret"));
      expect(await readKeystore(file, "a secret")).to.equal(privateKey);
      expect(await keystoreAddress(file)).to.equal(privateKeyToAddress(privateKey));
    }));

  it("says that the passphrase is wrong", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      await createKeystore(file, generatePrivateKey(), "a secret", quick);
      const error = await rejection(readKeystore(file, "Secret"));
      expect(error).to.be.instanceOf(WrongPassphraseError);
      expect(error).to.have.property("shortMessage", `The passphrase does not open ${file}.`);
      expect(String(error)).to.not.contain("Secret");
    }));

  it("refuses a file that names another address than its key's", () =>
    withFolder(async (folder) => {
      const file = join(folder, "key.json");
      const address = await createKeystore(file, generatePrivateKey(), "a secret", quick);
      const other = privateKeyToAddress(generatePrivateKey());
      const content = JSON.parse(await readFile(file, "utf8"));
      await writeFile(file, JSON.stringify({ ...content, address: other.slice(2).toLowerCase() }));
      const error = await rejection(readKeystore(file, "a secret"));
      expect(error).to.have.property("shortMessage", `${file} names ${other} but holds the key of ${address}.`);
    }));

  const broken: readonly (readonly [string, string, string, string | undefined])[] = [
    ["no JSON", "{ private key 0x12", "is not a keystore: it is not JSON.", undefined],
    ["null", "null", "is not a keystore of version 3.", "It is not an object."],
    [
      "another version",
      JSON.stringify({ ...VECTOR, version: 1 }),
      "is not a keystore of version 3.",
      "The field version is missing or unusual.",
    ],
    [
      "a cost that would take all memory",
      JSON.stringify({
        ...VECTOR,
        crypto: { ...VECTOR.crypto, kdfparams: { ...VECTOR.crypto.kdfparams, n: 2 ** 30 } },
      }),
      "is not a keystore of version 3.",
      "The field crypto.kdfparams.n is missing or unusual.",
    ],
    [
      "a cost that is not a power of two",
      JSON.stringify({
        ...VECTOR,
        crypto: { ...VECTOR.crypto, kdfparams: { ...VECTOR.crypto.kdfparams, n: 262_143 } },
      }),
      "is not a keystore of version 3.",
      "The field crypto.kdfparams.n is missing or unusual.",
    ],
    [
      "a short ciphertext",
      JSON.stringify({ ...VECTOR, crypto: { ...VECTOR.crypto, ciphertext: "00" } }),
      "is not a keystore of version 3.",
      "The field crypto.ciphertext is missing or unusual.",
    ],
  ];
  for (const [what, content, message, details] of broken) {
    it(`refuses ${what}`, () =>
      withFolder(async (folder) => {
        const file = join(folder, "key.json");
        await writeFile(file, content);
        const error = await rejection(readKeystore(file, "testpassword"));
        expect(error).to.be.instanceOf(KeystoreError);
        expect(error).to.include({ shortMessage: `${file} ${message}`, details });
        expect(String(error)).to.not.contain("0x12");
      }));
  }

  it("says which file is missing", async () => {
    const error = await rejection(readKeystore("/nowhere/key.json", "a secret"));
    expect(error).to.include({ shortMessage: "/nowhere/key.json cannot be read.", details: "ENOENT" });
  });
});
