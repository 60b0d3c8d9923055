#!/usr/bin/env node
import * as nodeModule from "node:module";

// Starting takes half as long where the sources are found compiled. Node before 22.8 has no such cache.
nodeModule.enableCompileCache?.();
const { stopWithNpm } = await import("../src/cli/process/npmParent.ts");
stopWithNpm();
const [{ run }, { commands }] = await Promise.all([import("../src/cli/program.ts"), import("./commands.ts")]);
await run(process.argv.slice(2), commands);
