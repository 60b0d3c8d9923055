import { readFileSync } from "node:fs";

const LOOK_EVERY_MS = 250;
const SHELLS: ReadonlySet<string> = new Set(["sh", "dash", "bash", "ash", "zsh", "busybox"]);

/**
 * Under npm or npx, asks this process to stop once npm is gone, as SIGTERM does. There is often a shell between npm and
 * a command. A signal to npm alone ends npm or that shell but does not reach the command, which would keep its port and
 * its sending key.
 */
export function stopWithNpm(): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const before = processesAbove();
  const timer = setInterval(() => {
    const now = processesAbove();
    if (before.every((id, index) => now[index] === id)) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, LOOK_EVERY_MS);
  timer.unref();
}

/** The ids of this process's parent and, if that is a shell, of npm above it. */
function processesAbove(): readonly number[] {
  const parent = process.ppid;
  const above = parentOfShell(parent);
  return above === undefined ? [parent] : [parent, above];
}

/** Only Linux tells, in /proc. Elsewhere the command replaces the shell that starts it, so there is no shell. */
function parentOfShell(id: number): number | undefined {
  try {
    // "id (name) state parent …", and the name may hold anything.
    const stat = readFileSync(`/proc/${id}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    if (!SHELLS.has(stat.slice(stat.indexOf("(") + 1, end))) return undefined;
    return Number(stat.slice(end + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
