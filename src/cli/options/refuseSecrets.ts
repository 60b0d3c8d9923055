import { UsageError } from "../exit/errors.ts";

/**
 * Refuses a private key, a mnemonic or an address with a password on the command line, where other users of the machine
 * and the shell's history see it. The argument is never echoed. Transaction hashes look like keys, so commands that
 * expect one set `takesHash`. A key in the path of a node's URL looks like any path, so it cannot be refused; `RPC_URL`
 * keeps it off the command line.
 */
export function refuseSecrets(argv: readonly string[], takesHash: boolean): void {
  for (const argument of argv) {
    const value = argument.replace(/^--[^=]*=/, "");
    if (holdsPassword(value)) {
      throw new UsageError("An argument is an address with a password; it was not used.", {
        hint: "Put it into the environment: DATABASE_URL for the journal's database, RPC_URL for the node.",
      });
    }
    const isKey = /^[0-9a-f]{64}$/i.test(value) || (!takesHash && /^0x[0-9a-f]{64}$/i.test(value));
    const isMnemonic = /^\s*([a-z]{3,8}\s+){11,23}[a-z]{3,8}\s*$/.test(value);
    if (!isKey && !isMnemonic) continue;
    throw new UsageError(`An argument looks like a ${isKey ? "private key" : "mnemonic"}; it was not used.`, {
      hint: "Secrets go into the environment (PRIVATE_KEY, MNEMONIC) or a keystore file (tributary keys new).",
    });
  }
}

/** Whether a text is a URL with a password. A user name counts too, as it may be a key, except in a database's URL. */
function holdsPassword(text: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme === undefined || !URL.canParse(text)) return false;
  const { username, password, searchParams } = new URL(text);
  if (password !== "") return true;
  if (/^postgres(ql)?$/i.test(scheme)) return searchParams.has("password");
  return username !== "";
}
