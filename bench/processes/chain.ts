// The local chain in its own process: `node chain.ts [BLOCK_SECONDS]`. Prints its URL and runs until it is stopped.
import { startLocalChain } from "../../src/local/index.ts";

const chain = await startLocalChain({ blockTimeSeconds: Number(process.argv[2] ?? 0) });
console.log(chain.rpcUrl);
process.once("SIGTERM", () => void chain.stop().then(() => process.exit(0)));
