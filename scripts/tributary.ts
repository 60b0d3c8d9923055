#!/usr/bin/env node
import * as nodeModule from "node:module";

// With its compiled sources in the cache, a command starts in half the time. Node before 22.8 has no such cache.
nodeModule.enableCompileCache?.();
const { stopWithNpm } = await import("../src/cli/process/npmParent.ts");
stopWithNpm();
const [{ askedCommand, run }, { keepHeapSmall }, { commands }] = await Promise.all([
  import("../src/cli/program.ts"),
  import("../src/cli/process/memory.ts"),
  import("./commands.ts"),
]);
const argv = process.argv.slice(2);
if (askedCommand(argv, commands)?.holdsMuch === true) keepHeapSmall();
process.exitCode = await run(argv, commands);
