// What the subjects about facilitators share: a chain with 2 s blocks in its own process, payments by payers in turn, and
// facilitators that are warm.
import { setTimeout as pause } from "node:timers/promises";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import { newestBlock } from "./chainGas.ts";
import { type FacilitatorKind, type RunningFacilitator, startFacilitator } from "./facilitators.ts";
import { bodiesOf, sustain } from "./load.ts";
import { openMint, soon } from "./payments.ts";
import { type RemoteChain, startRemoteChain } from "./remoteChain.ts";
import { setBalances } from "./token.ts";

export const BLOCK_SECONDS = 2;
const PAYERS = 1_000;
/** A facilitator that has just started knows neither when blocks come nor its own pace, and its code is not compiled. */
const WARM_UP = { blocks: 3, perSecond: 10 };
const POLL_MS = 10;

export type FacilitatorLab = {
  readonly chain: RemoteChain;
  /** The next payments: 1,000 payers in turn, one payee. */
  readonly next: (count: number) => SignedAuthorization[];
  /** A facilitator that has had ten payments a second for three blocks. */
  readonly start: (kind: FacilitatorKind) => Promise<RunningFacilitator>;
  /** Gives it this rate for so many blocks, and waits for the answers. They do not count. */
  readonly warmUp: (running: RunningFacilitator, perSecond: number, blocks: number) => Promise<void>;
  /** Waits for the next block. */
  readonly untilBlock: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/**
 * @param preconfirmMs If it is not 0, the chain preconfirms in steps of this length, and Tributary answers on that.
 * @param blockSeconds Another time between blocks.
 */
export async function openFacilitatorLab(
  seed: number,
  label: string,
  { preconfirmMs = 0, blockSeconds = BLOCK_SECONDS } = {},
): Promise<FacilitatorLab> {
  const chain = await startRemoteChain(blockSeconds, preconfirmMs);
  try {
    const mint = openMint(seed, label, { validBefore: soon() });
    await setBalances(chain.request, mint.parties({ count: PAYERS, payers: PAYERS, payees: 1 }), 10n ** 12n);
    let minted = 0;
    const next = (count: number): SignedAuthorization[] =>
      Array.from({ length: count }, () => {
        minted += 1;
        return mint.sign(minted, { payer: minted % PAYERS });
      });
    const warmUp = async ({ url }: RunningFacilitator, perSecond: number, blocks: number): Promise<void> => {
      await sustain(`${url}/settle`, bodiesOf(next(perSecond * blocks * BLOCK_SECONDS)), perSecond);
    };
    return {
      chain,
      next,
      warmUp,
      start: async (kind) => {
        const running = await startFacilitator(
          chain,
          kind,
          preconfirmMs === 0 ? [] : ["--confirmations", "preconfirmed"],
        );
        await warmUp(running, WARM_UP.perSecond, WARM_UP.blocks);
        return running;
      },
      untilBlock: async () => {
        const before = await newestBlock(chain);
        while ((await newestBlock(chain)) === before) await pause(POLL_MS);
      },
      stop: chain.stop,
    };
  } catch (error) {
    await chain.stop();
    throw error;
  }
}
