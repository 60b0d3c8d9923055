// Derives the router's init-code hash and address from its checked-in artifact. Prints them; `--write` puts them into
// src/deployment.ts and docs/deployment.md. Run it after every change of the router's bytecode.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keccak256 } from "viem";
import { settlementRouterArtifact } from "../../src/contracts/SettlementRouter.ts";
import { computeRouterAddress, ROUTER_ADDRESS, ROUTER_INIT_CODE_HASH } from "../../src/deployment.ts";

const initCodeHash = keccak256(settlementRouterArtifact.bytecode);
const address = computeRouterAddress(initCodeHash);
console.log(`ROUTER_INIT_CODE_HASH ${initCodeHash}\nROUTER_ADDRESS        ${address}`);

if (initCodeHash === ROUTER_INIT_CODE_HASH && address === ROUTER_ADDRESS) {
  console.log("src/deployment.ts is up to date");
} else if (process.argv.includes("--write")) {
  for (const name of ["src/deployment.ts", "docs/deployment.md"]) {
    const path = join(import.meta.dirname, "..", "..", name);
    const text = readFileSync(path, "utf8");
    const updated = text.replaceAll(ROUTER_INIT_CODE_HASH, initCodeHash).replaceAll(ROUTER_ADDRESS, address);
    if (updated === text) continue;
    writeFileSync(path, updated);
    console.log(`updated ${name}`);
  }
} else {
  console.error("src/deployment.ts is stale: run node scripts/dev/routerAddress.ts --write");
  process.exitCode = 1;
}
