// The local chain in its own process: `node chain.ts [BLOCK_SECONDS [PRECONFIRM_MS]]`. Prints its URL and runs until it is stopped.
import { startLocalChain } from "../../src/local/index.ts";

const [blockTimeSeconds = 0, preconfirmMs = 0] = process.argv.slice(2).map(Number);
const chain = await startLocalChain({ blockTimeSeconds, preconfirmMs });
console.log(chain.rpcUrl);
process.once("SIGTERM", () => void chain.stop().then(() => process.exit(0)));
