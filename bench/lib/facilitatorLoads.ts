import { setTimeout as pause } from "node:timers/promises";
import type { FacilitatorKind } from "./facilitators.ts";
import { BLOCK_SECONDS, type FacilitatorLab } from "./lab.ts";
import { bodiesOf, burst, type Sample, sustain, timed } from "./load.ts";

/** What a facilitator is asked to do. */
export type Load = {
  readonly name: string;
  readonly payments: number;
  /** How many come together: those of a burst, or those of one block. */
  readonly together: number;
  /** Undefined if they do not come at a steady rate. */
  readonly perSecond?: number;
  readonly send: (url: string) => Promise<Sample[]>;
};

const BURSTS = [1, 10, 50, 200] as const;
export const BURST = nameOfBurst(200);
/** The official facilitator's gas of this is that of one transaction for each payment. */
export const ONE = nameOfBurst(1);
export const LONE = "lone payments";
const LONE_PAYMENTS = 20;
/** Shares no factor with the number of lone payments, so that each moment comes once, in a mixed order. */
const MIX = 7;
/** Steady loads, as parts of the capacity. The peers have half of it too. */
const PARTS = { quarter: 0.25, half: 0.5, most: 0.8 } as const;
export const STEADY = {
  quarter: "a quarter of the capacity",
  half: "half of the capacity",
  most: "0.8 of the capacity",
} as const;
const SECONDS = { quick: 10, full: 30 };
/** The bars of processor time and memory are about this load, whose length is the same in both forms. */
const MOST_SECONDS = 60;

export function loadsOf(lab: FacilitatorLab, kind: FacilitatorKind, capacity: number, full: boolean): Load[] {
  // Without nonceManager, each burst shows the same: next to nothing settles.
  const counts = BURSTS.filter((count) => kind !== "official" || full || nameOfBurst(count) === BURST);
  const bursts = counts.map((count) => burstOf(lab, count));
  const seconds = full ? SECONDS.full : SECONDS.quick;
  const half = steady(lab, STEADY.half, PARTS.half * capacity, seconds);
  if (kind !== "Tributary") return [...bursts, half];
  return [
    lonePayments(lab),
    ...bursts,
    steady(lab, STEADY.quarter, PARTS.quarter * capacity, seconds),
    half,
    steady(lab, STEADY.most, PARTS.most * capacity, MOST_SECONDS),
  ];
}

/** The loads of Tributary where payments are preconfirmed: alone, and half of the capacity. */
export function preconfirmedLoads(lab: FacilitatorLab, capacity: number, full: boolean): Load[] {
  const seconds = full ? SECONDS.full : SECONDS.quick;
  return [lonePayments(lab), steady(lab, STEADY.half, PARTS.half * capacity, seconds)];
}

function nameOfBurst(count: number): string {
  return `burst of ${count}`;
}

/** It comes when a block was just made, so that no facilitator has the luckier moment. */
function burstOf(lab: FacilitatorLab, count: number): Load {
  return {
    name: nameOfBurst(count),
    payments: count,
    together: count,
    send: async (url) => {
      const bodies = bodiesOf(lab.next(count));
      await lab.untilBlock();
      return burst(url, bodies);
    },
  };
}

function steady(lab: FacilitatorLab, name: string, rate: number, seconds: number): Load {
  const perSecond = Math.max(1, Math.round(rate));
  const payments = perSecond * seconds;
  return {
    name,
    payments,
    together: perSecond * BLOCK_SECONDS,
    perSecond,
    send: (url) => sustain(url, bodiesOf(lab.next(payments)), perSecond),
  };
}

/**
 * One payment at a time. An answer comes with a block; the next payment comes a different part of the time between blocks
 * after it, so that the moments are spread evenly over that time. If they were drawn by lot, the median of twenty would vary
 * by a fifth of a second with them.
 */
function lonePayments(lab: FacilitatorLab): Load {
  return {
    name: LONE,
    payments: LONE_PAYMENTS,
    together: 1,
    send: async (url) => {
      const samples: Sample[] = [];
      for (const [i, body] of bodiesOf(lab.next(LONE_PAYMENTS)).entries()) {
        await pause(partOfBlock(i) * BLOCK_SECONDS * 1_000);
        samples.push(await timed(url, body));
      }
      return samples;
    },
  };
}

/** When a lone payment comes, as a part of the time between blocks. */
export function partOfBlock(index: number): number {
  return (((index * MIX) % LONE_PAYMENTS) + 0.5) / LONE_PAYMENTS;
}
