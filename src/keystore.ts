import { readFile } from "node:fs/promises";
import * as Keystore from "ox/Keystore";
import { type Address, getAddress, type Hex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { z } from "zod";
import { TributaryError } from "./errors.ts";
import { writeNew } from "./files.ts";

/** A keystore file that cannot be read, written or understood. */
export class KeystoreError extends TributaryError {
  override readonly name: string = "KeystoreError";
}

/** The file cannot be read, or it is not a keystore of version 3. */
export class NoKeystoreError extends KeystoreError {
  override readonly name = "NoKeystoreError";
}

/** The passphrase does not open the keystore. */
export class WrongPassphraseError extends KeystoreError {
  override readonly name = "WrongPassphraseError";

  constructor(file: string) {
    super(`The passphrase does not open ${file}.`, { hint: "Check the passphrase, or the file if it was edited." });
  }
}

/**
 * The shortest passphrase of a new file, in characters (NIST SP 800-63B, 3.1.1.2). Files with shorter ones still open.
 */
const MIN_PASSPHRASE_CHARACTERS = 8;

/** scrypt's cost N, as geth uses for its keys: about a second and 256 MiB for each guess. */
const SCRYPT_COST = 2 ** 18;
/** The most that a file may ask for: above this it would take more memory than a keystore needs (128 · N · r bytes). */
const MAX_SCRYPT_COST = 2 ** 20;

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`));
const salt = z.string().regex(/^([0-9a-fA-F]{2}){8,64}$/);
const keystoreSchema = z.object({
  version: z.literal(3),
  id: z.string(),
  // Optional in the format, but every wallet writes it.
  address: z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{40}$/)
    .optional(),
  crypto: z.intersection(
    z.object({
      cipher: z.literal("aes-128-ctr"),
      ciphertext: hex(32),
      cipherparams: z.object({ iv: hex(16) }),
      mac: hex(32),
    }),
    z.discriminatedUnion("kdf", [
      z.object({
        kdf: z.literal("scrypt"),
        kdfparams: z.object({
          dklen: z.literal(32),
          n: z.int().min(2).max(MAX_SCRYPT_COST).refine(isPowerOfTwo),
          p: z.int().min(1).max(16),
          r: z.int().min(1).max(16),
          salt,
        }),
      }),
      z.object({
        kdf: z.literal("pbkdf2"),
        kdfparams: z.object({
          dklen: z.literal(32),
          c: z.int().min(1).max(10_000_000),
          prf: z.literal("hmac-sha256"),
          salt,
        }),
      }),
    ]),
  ),
});

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

type KeystoreFile = z.infer<typeof keystoreSchema>;

/**
 * Encrypts `privateKey` with `passphrase` into a new file (Web3 Secret Storage, version 3) that only its owner can
 * read. The file appears whole or not at all, and survives a crash once this has returned.
 *
 * @param options.scryptCost scrypt's N, a power of two. Default 2^18.
 * @throws KeystoreError if the passphrase has fewer than 8 characters, or the file exists or cannot be written.
 */
export async function createKeystore(
  file: string,
  privateKey: Hex,
  passphrase: string,
  options: { readonly scryptCost?: number } = {},
): Promise<Address> {
  const characters = [...passphrase].length;
  if (characters < MIN_PASSPHRASE_CHARACTERS) {
    const least = `${MIN_PASSPHRASE_CHARACTERS} characters`;
    throw new KeystoreError(`The passphrase has ${characters} of at least ${least}; no file was made.`, {
      hint: "Whoever gets the file tries short ones first: take several words.",
    });
  }
  const address = privateKeyToAddress(privateKey);
  // ox's asynchronous functions ignore r and p, both here and from a file. Few wallets open what they write.
  const [key, derivation] = Keystore.scrypt({
    password: passphrase,
    n: options.scryptCost ?? SCRYPT_COST,
    // ox itself uses r = 1. With this N, that is not scrypt as defined (RFC 7914, section 2).
    r: 8,
    p: 1,
  });
  const keystore = { address: address.slice(2).toLowerCase(), ...Keystore.encrypt(privateKey, key, derivation) };
  await writeNewFile(file, `${JSON.stringify(keystore)}\n`);
  return address;
}

/**
 * Reads the private key from the keystore `file`.
 *
 * @throws WrongPassphraseError if the passphrase does not open it, KeystoreError if the file is no keystore or holds
 * another key than it says.
 */
export async function readKeystore(file: string, passphrase: string): Promise<Hex> {
  const keystore = await load(file);
  const key = Keystore.toKey(keystore, { password: passphrase });
  let privateKey: Hex;
  try {
    privateKey = Keystore.decrypt(keystore, key);
  } catch {
    // Only the comparison of the MAC can fail here.
    throw new WrongPassphraseError(file);
  }
  const named = addressOf(keystore);
  const held = privateKeyToAddress(privateKey);
  if (named !== undefined && named !== held) {
    throw new KeystoreError(`${file} names ${named} but holds the key of ${held}.`, {
      hint: "The file was edited: restore it from a backup.",
    });
  }
  return privateKey;
}

/**
 * The address that the keystore `file` names, read without its passphrase; undefined if it names none. Nothing proves
 * it until {@link readKeystore} has opened the file.
 *
 * @throws KeystoreError if the file is no keystore.
 */
export async function keystoreAddress(file: string): Promise<Address | undefined> {
  return addressOf(await load(file));
}

function addressOf(keystore: KeystoreFile): Address | undefined {
  if (keystore.address === undefined) return undefined;
  return getAddress(`0x${keystore.address.replace(/^0x/, "").toLowerCase()}`);
}

async function load(file: string): Promise<KeystoreFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new NoKeystoreError(`${file} cannot be read.`, { details: describeCause(cause), cause });
  }
  const hint = "Give a file in the Web3 Secret Storage format, version 3.";
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's message would quote the file.
    throw new NoKeystoreError(`${file} is not a keystore: it is not JSON.`, { hint });
  }
  const parsed = keystoreSchema.safeParse(withLowerCaseCrypto(json));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new NoKeystoreError(`${file} is not a keystore of version 3.`, {
    details: field === "" ? "It is not an object." : `The field ${field} is missing or unusual.`,
    hint,
  });
}

/** ethers writes `Crypto`. */
function withLowerCaseCrypto(json: unknown): unknown {
  if (typeof json !== "object" || json === null || !("Crypto" in json) || "crypto" in json) return json;
  return { ...json, crypto: json.Crypto };
}

async function writeNewFile(file: string, content: string): Promise<void> {
  try {
    await writeNew(file, content);
  } catch (cause) {
    const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    throw new KeystoreError(exists ? `${file} exists and was left as it is.` : `${file} cannot be written.`, {
      details: describeCause(cause),
      ...(exists ? { hint: "Choose another name: a keystore is never replaced." } : {}),
      cause,
    });
  }
}

function describeCause(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
}
