import { expect } from "chai";
import { doors } from "../package/doors.ts";
import { manifest } from "../package/project.ts";
import exportedTypes from "./exportedTypes.json" with { type: "json" };

/** Every name that the package exports at run time. A change here is a change for users: it belongs in the CHANGELOG. */
const exported = {
  ".": [
    "AmountError",
    "AuthorizationInputError",
    "BATCH_SETTLEMENT_ADDRESS",
    "CIRCLE_USDC_GAS",
    "ChainMismatchError",
    "ChainUnavailableError",
    "DEFAULT_LIMITS",
    "MOCK_USDC_GAS",
    "PlanLimitsError",
    "ROUTER_ADDRESS",
    "ROUTER_GAS",
    "ROUTER_SALT",
    "RouterDecodingError",
    "RouterEncodingError",
    "SignerMismatchError",
    "TrafficProfileError",
    "TransactionRefusedError",
    "TributaryError",
    "UnknownNetworkError",
    "authorizationId",
    "authorizationTypedData",
    "channelIdOf",
    "compareWays",
    "connectChain",
    "decodeRefusal",
    "decodeSettle",
    "encodeSettle",
    "findNetwork",
    "formatAmount",
    "hashAuthorization",
    "knownTokenDomain",
    "networkOf",
    "networks",
    "parseAmount",
    "parseAuthorization",
    "planBatches",
    "randomNonce",
    "readAuthorizations",
    "readBatchOutcomes",
    "readDataFeeInputs",
    "readDirectOutcome",
    "readRouterCode",
    "serialiseAuthorization",
    "signAuthorization",
    "tokenKey",
    "verifySignatureOffline",
    "verifySignatureOnChain",
    "voucherTypedData",
  ],
  "./abi": [
    "batchSettlementAbi",
    "erc3009Abi",
    "fiatProxyArtifact",
    "mockBatchSettlementArtifact",
    "mockDepositCollectorArtifact",
    "mockUSDCArtifact",
    "mockUsdcAbi",
    "settlementRouterAbi",
    "settlementRouterArtifact",
  ],
  "./settlement": [
    "CallKeyError",
    "DEFAULT_JOURNAL_PATH",
    "DEFAULT_ENGINE_POLICY",
    "EarningsError",
    "EngineBusyError",
    "EngineClosedError",
    "EnginePolicyError",
    "JournalError",
    "OPEN_STATES",
    "SenderHeldError",
    "WatchError",
    "attemptsOf",
    "cancelPayment",
    "createStatementTotals",
    "inspectSettlement",
    "openJournal",
    "quoteSettlement",
    "readAttempts",
    "readEarnings",
    "readStatement",
    "reconcile",
    "retryPayment",
    "retryRejected",
    "serialiseResult",
    "settlePayments",
    "startEngine",
    "summarise",
    "watchPayments",
  ],
  "./facilitator": [
    "AddressRangeError",
    "CallNotSentError",
    "DEFAULT_FACILITATOR_POLICY",
    "ListenError",
    "MerchantsError",
    "PublicUrlError",
    "createChannelScheme",
    "createEngineSigner",
    "createFacilitator",
    "createJsonLogger",
    "createSharedExactSchemes",
    "openJournal",
    "parseMerchantKeys",
    "parseMerchants",
    "serveFacilitator",
  ],
  "./keeper": [
    "ChannelError",
    "DEFAULT_KEEPER_POLICY",
    "KeeperPolicyError",
    "createChannelKeeper",
    "createChannelStorage",
    "createKeeperMetrics",
    "quickenVouchers",
  ],
  "./local": [
    "HardhatUnavailableError",
    "LocalChainError",
    "PortUnavailableError",
    "TEST_MNEMONIC",
    "deriveAccounts",
    "placeContracts",
    "startLocalChain",
  ],
  "./deploy": [
    "DeploymentFailedError",
    "DeploymentRefusedError",
    "IgnitionUnavailableError",
    "VerificationFailedError",
    "deployRouter",
    "estimateDeployment",
    "verifyRouter",
  ],
  "./doctor": ["runDoctor"],
} as const;

/** Entries whose modules are built, or load an optional peer. The package's own test imports them. */
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
      "./facilitator": await import("../../src/facilitator/index.ts"),
      "./keeper": await import("../../src/keeper/index.ts"),
      "./local": await import("../../src/local/index.ts"),
      "./deploy": await import("../../src/deploy/index.ts"),
      "./doctor": await import("../../src/doctor/index.ts"),
    };
    const changes = Object.entries(modules).flatMap(([door, module]) =>
      changesOf(door, Object.entries(exported).find(([name]) => name === door)?.[1], Object.keys(module)),
    );
    expect(changes, "change the list above and the CHANGELOG, or the exports").to.deep.equal([]);
  });

  it("exports these types and no others", () => {
    const changes = doors.flatMap(({ door, declared }) => {
      const types = declared.filter(({ text }) => text.startsWith("export type ")).map(({ name }) => name);
      return changesOf(door, Object.entries(exportedTypes).find(([name]) => name === door)?.[1], types);
    });
    expect(changes, "change exportedTypes.json and the CHANGELOG, or the exports").to.deep.equal([]);
  });
});

function changesOf(door: string, before: readonly string[] | undefined = [], now: readonly string[]): string[] {
  return [
    ...now.filter((name) => !before.includes(name)).map((name) => `${door} has ${name} now`),
    ...before.filter((name) => !now.includes(name)).map((name) => `${door} has ${name} no more`),
  ];
}
