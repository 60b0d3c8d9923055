import { readChannelState } from "../../src/chain/facts/channels.ts";
import type { ChannelConfig } from "../../src/channels/index.ts";
import { parseMerchantKeys } from "../../src/facilitator/index.ts";
import { freshAddress } from "./chainLab.ts";
import { authorizer, channelOf, depositBody, idOf } from "./channelPayloads.ts";
import { openFacilitatorLab, post } from "./facilitator.ts";

const KEY = "c".repeat(40);

/** A code of `batch-settlement` on EVM. */
export const ERR = (name: string) => `invalid_batch_settlement_evm_${name}`;

/** A part of an answer, or of a request that a test changes. */
export type Deep = Record<string, unknown>;

export type ChannelDesk = Awaited<ReturnType<typeof openChannelDesk>>;

/**
 * A facilitator that is asked about channels by hand, on a chain that mines each transaction. It signs for channels that name
 * {@link authorizer}.
 */
export async function openChannelDesk() {
  const lab = await openFacilitatorLab({ blockTimeSeconds: 0 });
  let next = 9_500;
  const receivers = Array.from({ length: 200 }, (_, index) => freshAddress(next + 1 + index));
  const merchants = [{ ...parseMerchantKeys(`shop=${KEY}`)[0]!, receivers }];
  const facilitator = await lab.serve({ channels: { authority: authorizer }, merchants });
  const fresh = async (changes: Partial<ChannelConfig> = {}) => {
    next += 1;
    const payer = await lab.payer(next);
    return { payer, config: channelOf(payer.address, freshAddress(next), changes) };
  };
  return {
    lab,
    facilitator,
    /** Settles as the merchant who owns all receivers here. */
    asMerchant: (body: unknown) => post(`${facilitator.url}/settle`, body, { authorization: `Bearer ${KEY}` }),
    /** A payer with USDC, and one of their channels, which is not open. */
    fresh,
    /** A channel of 10,000 units. */
    funded: async () => {
      const channel = await fresh();
      const { body } = await facilitator.settle(await depositBody(channel.payer, channel.config, 10_000n));
      if (body.success !== true) throw new Error(`no deposit: ${JSON.stringify(body)}`);
      return channel;
    },
    stateOf: (config: ChannelConfig) => readChannelState(lab.client, idOf(config)),
    /** How many transactions the facilitator sends while `work` lasts. */
    sentBy: async (work: () => Promise<unknown>): Promise<number> => {
      const before = await facilitator.transactions();
      await work();
      return (await facilitator.transactions()) - before;
    },
  };
}
