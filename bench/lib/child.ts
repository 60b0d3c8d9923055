import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs one of the programs of bench/processes to its end and reads the line of JSON that it prints. */
export async function runForJson(file: string, args: readonly (string | number)[]): Promise<unknown> {
  const path = new URL(`../processes/${file}`, import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [path, ...args.map(String)], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}
