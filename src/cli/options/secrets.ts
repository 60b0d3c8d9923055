import * as Mnemonic from "ox/Mnemonic";
import { type Hex, isHex } from "viem";
import { UsageError } from "../exit/errors.ts";
import { currentRun } from "../process/surroundings.ts";

/** The sending private key, if the environment has one. It is never part of an error. */
export function privateKeyFromEnvironment(): Hex | undefined {
  return readKey("PRIVATE_KEY", currentRun().env.PRIVATE_KEY);
}

/** The private key of a receiver authorizer, if the environment has one. */
export function authorizerKeyFromEnvironment(): Hex | undefined {
  return readKey("RECEIVER_AUTHORIZER_KEY", currentRun().env.RECEIVER_AUTHORIZER_KEY);
}

function readKey(name: string, variable: string | undefined): Hex | undefined {
  const text = variable?.trim();
  if (text === undefined || text === "") return undefined;
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (isHex(key) && key.length === 66) return key;
  throw new UsageError(`${name} is not a private key.`, { hint: "Write 0x and 64 hex digits." });
}

/** The BIP-39 mnemonic, if the environment has one. */
export function mnemonicFromEnvironment(): string | undefined {
  const text = currentRun().env.MNEMONIC?.trim().replace(/\s+/g, " ");
  if (text === undefined || text === "") return undefined;
  if (Mnemonic.validate(text, Mnemonic.english)) return text;
  throw new UsageError("MNEMONIC is not a valid mnemonic.", {
    hint: "Write its 12 to 24 English words, separated by spaces; the last one holds a checksum.",
  });
}

/** The keystore's passphrase: `KEYSTORE_PASSPHRASE`, else one typed on the terminal (twice for a new keystore). */
export async function readPassphrase(use: "existing" | "new"): Promise<string> {
  const { env, stdin } = currentRun();
  const fromEnvironment = env.KEYSTORE_PASSPHRASE;
  if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
  if (stdin.isTTY !== true) {
    throw new UsageError("The keystore needs a passphrase, and there is no terminal to ask on.", {
      hint: "Set KEYSTORE_PASSPHRASE in the environment.",
    });
  }
  const passphrase = await ask(use === "new" ? "New passphrase:" : "Passphrase:");
  if (passphrase === "") throw new UsageError("The passphrase is empty.");
  if (use === "new" && (await ask("Once more:")) !== passphrase) {
    throw new UsageError("The two passphrases differ; no key was made.");
  }
  return passphrase;
}

async function ask(message: string): Promise<string> {
  const { default: password } = await import("@inquirer/password");
  const { stdin, stderr } = currentRun();
  try {
    return await password({ message, mask: "*" }, { input: stdin, output: stderr });
  } catch (cause) {
    throw new UsageError("No passphrase was given.", { cause });
  }
}
