import { UsageError } from "./errors.ts";

/**
 * Refuses a private key or a mnemonic on the command line, where other users of the machine and the shell's history see
 * it. The argument is never echoed. Transaction hashes look like keys: `takesHash` is for commands that expect one.
 */
export function refuseSecrets(argv: readonly string[], takesHash: boolean): void {
  for (const argument of argv) {
    const value = argument.replace(/^--[^=]*=/, "");
    const isKey = /^[0-9a-f]{64}$/i.test(value) || (!takesHash && /^0x[0-9a-f]{64}$/i.test(value));
    const isMnemonic = /^\s*([a-z]{3,8}\s+){11,23}[a-z]{3,8}\s*$/.test(value);
    if (!isKey && !isMnemonic) continue;
    throw new UsageError(`An argument looks like a ${isKey ? "private key" : "mnemonic"}; it was not used.`, {
      hint: "Secrets go into the environment (PRIVATE_KEY, MNEMONIC) or a keystore file (tributary keys new).",
    });
  }
}
