/** The oldest Node that has `node:sqlite` without a flag and runs Hardhat 3. */
const NEEDED = [22, 13] as const;

/** The message for a Node that is too old, in the form that errors take it. */
export type NodeTooOld = { readonly shortMessage: string; readonly details: string; readonly hint: string };

/**
 * What keeps `what` (the start of a sentence: "The local chain") from running on this version of Node; undefined if
 * nothing does. A journal in SQLite, the local chain, a deployment and the commands that use them need Node 22.13.
 * Everything else needs Node 20.
 */
export function nodeTooOld(what: string, version: string = process.versions.node): NodeTooOld | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [neededMajor, neededMinor] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return {
    shortMessage: `${what} needs Node ${NEEDED.join(".")} or newer.`,
    details: `This is Node ${version}.`,
    hint: "Run it with a newer Node.",
  };
}
