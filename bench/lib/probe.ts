// Loaded into a measured process (`--import`). Reports its processor time, its memory and how late its event loop was. The parent
// asks over the channel that `fork` opens.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { peakMemoryMiB } from "./peakMemory.ts";
import type { Usage } from "./processes.ts";

// Includes the resolution: an idle process has a median of 1.1 ms.
const delay = monitorEventLoopDelay({ resolution: 1 });
let cpu = process.cpuUsage();

process.on("message", (message) => {
  if (message === "probe: begin") {
    delay.reset();
    delay.enable();
    cpu = process.cpuUsage();
    process.send?.({ probe: "begun" });
  } else if (message === "probe: collect") {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    collect();
    process.send?.({ probe: "collected", liveMiB: process.memoryUsage().heapUsed / 2 ** 20 });
  } else if (message === "probe: read") {
    const { user, system } = process.cpuUsage(cpu);
    const usage: Usage = {
      cpuSeconds: (user + system) / 1e6,
      rssMiB: process.memoryUsage().rss / 2 ** 20,
      mostRssMiB: peakMemoryMiB(),
      loopDelayMs: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 },
    };
    process.send?.({ probe: "usage", usage });
  }
});
// The process ends when its parent dies, and the channel alone does not keep it alive.
process.on("disconnect", () => process.exit(1));
process.channel?.unref();
