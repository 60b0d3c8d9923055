import { spawn } from "node:child_process";
import { childFile } from "../child.ts";
import type { Place } from "../fixtures.ts";

/**
 * Runs a task of `child.ts` (or of a similar file) in its own process, to its end or until `enough` is true of its
 * output.
 */
export function runChild(
  task: string,
  place: Place,
  argument = "",
  enough: (said: readonly unknown[]) => boolean = () => false,
  file = childFile,
): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, task, JSON.stringify(place), argument], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    let killed = false;
    const said = () =>
      output
        .split("\n")
        .slice(0, -1)
        .map((line): unknown => JSON.parse(line));
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (!killed && enough(said())) {
        killed = true;
        child.kill("SIGKILL");
      }
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (killed || code === 0) resolve(said());
      else reject(new Error(`${task} failed: ${errors}`));
    });
  });
}
