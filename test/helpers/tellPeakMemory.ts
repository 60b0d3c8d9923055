// Loaded into a process that a test starts (`--import`): prints the most memory that it had on stderr when it ends.
import { isMainThread } from "node:worker_threads";
import { peakMemoryMiB } from "../../bench/lib/peakMemory.ts";

if (isMainThread) process.on("exit", () => process.stderr.write(`peak memory: ${peakMemoryMiB()} MiB\n`));
