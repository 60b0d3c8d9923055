import { type Hex, isHex } from "viem";
import { TributaryError } from "../errors.ts";
import { loadHardhatKeystore, PACKAGE_FOLDER } from "./plugins.ts";

/** Hardhat's keystore does not give out a key. */
export class HardhatKeystoreError extends TributaryError {
  override readonly name = "HardhatKeystoreError";
}

/**
 * Reads a private key from Hardhat's keystore (`npx hardhat keystore set NAME`), the development one first. As in
 * Hardhat itself, an environment variable of that name takes precedence over both.
 * @param askPassphrase Called once, if the keystore needs it.
 * @throws IgnitionUnavailableError if Hardhat or its keystore plugin is missing; HardhatKeystoreError if there is no
 * such key, the passphrase is wrong, or the value is no private key.
 */
export async function readHardhatKeystore(name: string, askPassphrase: () => Promise<string>): Promise<Hex> {
  const { createHardhatRuntimeEnvironment, configVariable, plugins } = await loadHardhatKeystore();
  const environment = await createHardhatRuntimeEnvironment(
    { plugins, networks: { sender: { type: "http", url: "http://127.0.0.1", accounts: [configVariable(name)] } } },
    {},
    PACKAGE_FOLDER,
  );
  environment.hooks.registerHandlers("userInterruptions", {
    requestSecretInput: () => askPassphrase(),
    displayMessage: async () => undefined,
  });
  const { accounts } = environment.config.networks.sender ?? {};
  const [variable] = Array.isArray(accounts) ? accounts : [];
  if (variable === undefined || !("getHexString" in variable)) throw unknown(name, undefined);
  let key: string;
  try {
    key = await variable.getHexString();
  } catch (cause) {
    if (cause instanceof TributaryError) throw cause;
    throw unknown(name, cause);
  }
  if (isHex(key) && key.length === 66) return key;
  throw new HardhatKeystoreError(`${name} in Hardhat's keystore is not a private key.`, {
    hint: "Set it to 0x and 64 hex digits.",
  });
}

/** Passes on only the first line of Hardhat's error. Hardhat's errors name the variable, never its value. */
function unknown(name: string, cause: unknown): HardhatKeystoreError {
  const said = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : undefined;
  return new HardhatKeystoreError(`Hardhat's keystore does not give out ${name}.`, {
    ...(said === undefined ? {} : { details: said }),
    hint: "Check the name and the passphrase. Hardhat does not open its keystore where the variable CI is set.",
  });
}
