import { expect } from "chai";
import { manifest } from "../package/project.ts";

/** Every name that the package exports at run time. A change here is a change for users: it belongs into the CHANGELOG. */
const exported = {
  ".": [
    "AmountError",
    "AuthorizationInputError",
    "CIRCLE_USDC_GAS",
    "CREATE_X_ADDRESS",
    "ChainMismatchError",
    "ChainUnavailableError",
    "DEFAULT_LIMITS",
    "MAX_BATCH_ITEMS",
    "MAX_ITEMS",
    "MAX_LINE_BYTES",
    "MAX_PAYEES",
    "MAX_SIGNATURE_BYTES",
    "MAX_TRANSACTION_GAS",
    "MOCK_USDC_GAS",
    "PlanLimitsError",
    "ROUTER_ADDRESS",
    "ROUTER_CALL_BYTES",
    "ROUTER_GAS",
    "ROUTER_INIT_CODE_HASH",
    "ROUTER_RESERVE_GAS",
    "ROUTER_SALT",
    "RouterDecodingError",
    "RouterEncodingError",
    "SignerMismatchError",
    "TransactionRefusedError",
    "TributaryError",
    "UnknownNetworkError",
    "authorizationId",
    "authorizationTypedData",
    "balanceAfter",
    "balanceDeltas",
    "balanceSlotGas",
    "byteLength",
    "computeRouterAddress",
    "connectChain",
    "countBytes",
    "decodeBatch",
    "decodeRefusal",
    "decodeSettle",
    "directCalldata",
    "eip3009Types",
    "encodeBatch",
    "encodeSettle",
    "findNetwork",
    "fitsCompact",
    "formOf",
    "formatAmount",
    "gasLimitFor",
    "hashAuthorization",
    "isCodePayer",
    "isErc6492",
    "itemBytes",
    "itemDemandGas",
    "knownTokenDomain",
    "networkOf",
    "networks",
    "normaliseSignature",
    "openingGas",
    "overloadOf",
    "parseAmount",
    "parseAtomic",
    "parseAuthorization",
    "planBatches",
    "predictDirectGas",
    "predictRouterGas",
    "randomNonce",
    "readAuthorizations",
    "readBatchOutcomes",
    "readDirectOutcome",
    "readRouterCode",
    "routerCalldata",
    "sameTerms",
    "serialiseAuthorization",
    "signAuthorization",
    "splitSignature",
    "termsDigest",
    "toRouterItem",
    "tokenKey",
    "unwrapErc6492",
    "verifySignatureOffline",
    "verifySignatureOnChain",
    "worstCodeItemGas",
    "worstItemGas",
  ],
  "./abi": [
    "erc3009Abi",
    "fiatProxyArtifact",
    "mockUSDCArtifact",
    "mockUsdcAbi",
    "settlementRouterAbi",
    "settlementRouterArtifact",
  ],
  "./settlement": [
    "JournalError",
    "appendJournal",
    "batchIdOf",
    "inspectSettlement",
    "openJournal",
    "prepareSettlement",
    "quoteSettlement",
    "readJournal",
    "readSettlement",
    "serialiseRefusedLine",
    "serialiseResult",
    "settlePayments",
    "summarise",
  ],
  "./local": [
    "HardhatUnavailableError",
    "LocalChainError",
    "PortUnavailableError",
    "TEST_MNEMONIC",
    "deriveAccounts",
    "startLocalChain",
  ],
} as const;

/** Entries whose modules are built, or load an optional peer: the package's own test imports them. */
const elsewhere = ["./ethers", "./ignition", "./contracts/*.sol", "./package.json"];

describe("exports", () => {
  it("has an entry in package.json for each of them", () => {
    expect(Object.keys(manifest.exports).sort()).to.deep.equal([...Object.keys(exported), ...elsewhere].sort());
  });

  it("exports these names and no others", async () => {
    const modules = {
      ".": await import("../../src/index.ts"),
      "./abi": await import("../../src/abi.ts"),
      "./settlement": await import("../../src/settlement/index.ts"),
      "./local": await import("../../src/local/index.ts"),
    };
    for (const [entry, names] of Object.entries(exported)) {
      const module = Object.entries(modules).find(([name]) => name === entry)?.[1] ?? {};
      expect(Object.keys(module).sort(), entry).to.deep.equal([...names].sort());
    }
  });
});
