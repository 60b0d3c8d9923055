// Who may install here now. README has four commands started side by side, and on a fresh clone each would run npm in the same
// folder, where they remove each other's files. Plain JavaScript without dependencies, as bootstrap.mjs is.
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LOOK_MS = 250;

/**
 * Waits until no other process installs in a folder. The turn ends with this process: a lock that a killed one left has the number
 * of a process that is gone.
 */
export function takeTurn(folder, say = (line) => process.stderr.write(`${line}\n`)) {
  const lock = join(folder, ".installing");
  const own = `${lock}.${process.pid}`;
  // Linked, and not written in its place, so that nobody finds a lock without a number in it.
  writeFileSync(own, String(process.pid));
  try {
    let told = false;
    while (!isLinked(own, lock)) {
      const holder = read(lock);
      if (holder === undefined) continue;
      if (!isAlive(Number(holder))) {
        rmSync(lock, { force: true });
        continue;
      }
      if (!told) say(`tributary: waiting for process ${holder}, which installs here (if it does not, remove ${lock})`);
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
    }
  } finally {
    rmSync(own, { force: true });
  }
  process.on("exit", () => rmSync(lock, { force: true }));
}

function isLinked(own, lock) {
  try {
    linkSync(own, lock);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

/** Undefined where the lock was given back meanwhile. */
function read(lock) {
  try {
    return readFileSync(lock, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and another user's.
    return error.code === "EPERM";
  }
}
