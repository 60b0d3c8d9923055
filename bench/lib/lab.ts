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
const WARM_UP_SECONDS = 4 * BLOCK_SECONDS;
const POLL_MS = 10;

export type FacilitatorLab = {
  readonly chain: RemoteChain;
  /** The next payments: 1,000 payers in turn, one payee. */
  readonly next: (count: number) => SignedAuthorization[];
  /** A facilitator that has settled payments at this low rate for four blocks. */
  readonly start: (kind: FacilitatorKind, warmUpPerSecond: number) => Promise<RunningFacilitator>;
  /** Waits for the next block. */
  readonly untilBlock: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export async function openFacilitatorLab(seed: number, label: string): Promise<FacilitatorLab> {
  const chain = await startRemoteChain(BLOCK_SECONDS);
  try {
    const mint = openMint(seed, label, { validBefore: soon() });
    await setBalances(chain.request, mint.parties({ count: PAYERS, payers: PAYERS, payees: 1 }), 10n ** 12n);
    let minted = 0;
    const next = (count: number): SignedAuthorization[] =>
      Array.from({ length: count }, () => {
        minted += 1;
        return mint.sign(minted, { payer: minted % PAYERS });
      });
    return {
      chain,
      next,
      start: async (kind, warmUpPerSecond) => {
        const running = await startFacilitator(chain, kind);
        const perSecond = Math.max(1, Math.round(warmUpPerSecond));
        await sustain(`${running.url}/settle`, bodiesOf(next(WARM_UP_SECONDS * perSecond)), perSecond);
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
