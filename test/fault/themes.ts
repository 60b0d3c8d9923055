import { randomOf } from "./random.ts";

/** The kinds of trouble. A run has some of them; every seventeenth seed is sure to have a given one. */
export const THEMES = [
  "drop",
  "timeout",
  "wrong-answer",
  "duplicate",
  "reorder",
  "hide-receipts",
  "three-blocks-behind",
  "mixed-heads",
  "http-500",
  "stall",
  "skew",
  "front-run",
  "gas-burners",
  "reorg",
  "foreign-transaction",
  "kill",
  "slow-blocks",
] as const;

export type Theme = (typeof THEMES)[number];

const USUALLY: Readonly<Partial<Record<Theme, number>>> = { kill: 0.8, reorg: 0.3, "three-blocks-behind": 0.2 };

export function themesOf(seed: number): ReadonlySet<Theme> {
  const random = randomOf(seed, "themes");
  const forced = THEMES[seed % THEMES.length];
  return new Set(
    THEMES.filter((theme) => {
      const drawn = random.chance(USUALLY[theme] ?? 0.35);
      return drawn || theme === forced;
    }),
  );
}
