import { ANNOUNCER_FAULTS } from "./announcer.ts";
import { HEAD_FAULTS } from "./heads.ts";
import { randomOf } from "./random.ts";

/** The kinds of trouble. A run has some of them; every twenty-first seed is about a given one. */
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
  "wrong-heads",
  "changing-cadence",
  "failing-subscription",
  "taken-back",
] as const;

export type Theme = (typeof THEMES)[number];

const USUALLY: Readonly<Partial<Record<Theme, number>>> = {
  kill: 0.8,
  reorg: 0.3,
  "three-blocks-behind": 0.2,
  "wrong-heads": 0.1,
  "changing-cadence": 0.1,
  "failing-subscription": 0.1,
  "taken-back": 0.1,
};

/** What concerns an engine that sends in step with the blocks. In these runs they come regularly, unless that is the trouble. */
const IN_STEP: readonly Theme[] = ["wrong-heads", "changing-cadence", "failing-subscription", "taken-back"];

/** A node's newest block is wrong in one of these ways. */
const BEHIND: readonly Theme[] = ["three-blocks-behind", "mixed-heads", "wrong-heads"];

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
  const kept = BEHIND.includes(certain) ? certain : BEHIND.find((theme) => themes.has(theme));
  for (const theme of BEHIND) if (theme !== kept) themes.delete(theme);
  return themes;
}

/** Whether the blocks of a run come so regularly that an engine sends in step with them. */
export function comesRegularly(themes: ReadonlySet<Theme>): boolean {
  return IN_STEP.some((theme) => themes.has(theme));
}

/** The names by which the faults of a theme are counted. A run that is about the theme has all of them. */
export function faultsOf(theme: Theme): readonly string[] {
  return COUNTED_AS[theme] ?? [theme];
}

const COUNTED_AS: Readonly<Partial<Record<Theme, readonly string[]>>> = {
  "gas-burners": ["burn"],
  "foreign-transaction": ["foreign"],
  "slow-blocks": ["hold-blocks"],
  "wrong-heads": HEAD_FAULTS,
  "changing-cadence": ["new-period", "on-demand"],
  "failing-subscription": ANNOUNCER_FAULTS,
};
