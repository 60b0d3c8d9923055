import { randomOf } from "./random.ts";

/** The kinds of trouble. A run has some of them; every seventeenth seed is about a given one. */
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

/** The kind of trouble that a seed is about. It is certain to happen. */
export function certainTheme(seed: number): Theme {
  const theme = THEMES[seed % THEMES.length];
  if (theme === undefined) throw new Error(`no theme of seed ${seed}`);
  return theme;
}

export function themesOf(seed: number): ReadonlySet<Theme> {
  const random = randomOf(seed, "themes");
  const certain = certainTheme(seed);
  const themes = new Set(
    THEMES.filter((theme) => {
      const drawn = random.chance(USUALLY[theme] ?? 0.35);
      return drawn || theme === certain;
    }),
  );
  // A node is behind in one way or the other.
  if (themes.has("three-blocks-behind") && themes.has("mixed-heads")) {
    themes.delete(certain === "mixed-heads" ? "three-blocks-behind" : "mixed-heads");
  }
  return themes;
}

/** The name by which a theme is counted. */
export function faultOf(theme: Theme): string {
  return COUNTED_AS[theme] ?? theme;
}

const COUNTED_AS: Readonly<Partial<Record<Theme, string>>> = {
  "gas-burners": "burn",
  "foreign-transaction": "foreign",
  "slow-blocks": "hold-blocks",
};
