export { type EarningsAmounts, EarningsError, type EarningsFilter, type EarningsRow } from "./book.ts";
export { type Earnings, type EarningsQuery, readEarnings } from "./read.ts";
