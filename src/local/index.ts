export { deriveAccounts, type LocalChainAccount, TEST_MNEMONIC } from "./accounts.ts";
export { type BareLocalChain, type LocalChain, type LocalChainOptions, startLocalChain } from "./chain.ts";
export { HardhatUnavailableError, LocalChainError, PortUnavailableError } from "./errors.ts";
export type { PaymentTerms } from "./payments.ts";
export { type DevelopmentProvider, type PlacedContracts, placeContracts } from "./place.ts";
