#!/usr/bin/env node
import * as nodeModule from "node:module";

// Starting takes half as long where the sources are found compiled. Node before 22.8 has no such cache.
nodeModule.enableCompileCache?.();
const { stopWithNpm } = await import("./cli/npmParent.ts");
stopWithNpm();
const { run } = await import("./cli/program.ts");
await run(process.argv.slice(2));
