import { readFileSync } from "node:fs";

/**
 * The most memory that this process ever had, in MiB, threads included. Linux counts a parent's memory in the `maxRSS` of its
 * child, so the figure comes from /proc if that exists.
 */
export function peakMemoryMiB(): number {
  return (procKiB() ?? process.resourceUsage().maxRSS) / 1024;
}

function procKiB(): number | undefined {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    return line === null ? undefined : Number(line[1]);
  } catch {
    return undefined;
  }
}
