import { expect } from "chai";
import { network } from "hardhat";
import { bytesToHex, concatHex, encodePacked, type Hex, parseAbi, parseUnits, size } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { type DataFeeInputs, dataFee, estimateDataSize, fastLzLength } from "../../../src/fees/index.ts";
import { makeRandom } from "../../helpers/gasLab.ts";

const ORACLE = "0x420000000000000000000000000000000000000F";
const L1_BLOCK = "0x4200000000000000000000000000000000000015";
/** The account that may write L1Block. */
const DEPOSITOR = "0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001";
const oracleAbi = parseAbi([
  "function getL1Fee(bytes data) view returns (uint256)",
  "function isFjord() view returns (bool)",
]);

const inputs: DataFeeInputs = {
  l1BaseFee: parseUnits("3", 9),
  blobBaseFee: 7n,
  baseFeeScalar: 2_269n,
  blobBaseFeeScalar: 1_055_762n,
};

describe("fastLzLength", () => {
  it("counts short data as literals", () => {
    expect(fastLzLength(new Uint8Array(0))).to.equal(0);
    expect(fastLzLength(new Uint8Array(1))).to.equal(2);
    expect(fastLzLength(new Uint8Array(12))).to.equal(13);
  });

  it("finds what repeats", () => {
    expect(fastLzLength(new Uint8Array(1_000))).to.be.lessThan(30);
    const random = makeRandom(3);
    const noise = Uint8Array.from({ length: 1_000 }, () => random(256));
    expect(fastLzLength(noise)).to.equal(1_000 + Math.ceil(1_000 / 32));
  });
});

describe("dataFee", () => {
  it("charges 100 bytes at least", () => {
    expect(estimateDataSize("0x02")).to.equal(100_000_000n);
  });

  it("agrees with the GasPriceOracle on random data", async () => {
    const { client } = await openOpChain();
    expect(await client.readContract({ address: ORACLE, abi: oracleAbi, functionName: "isFjord" })).to.equal(true);
    for (const data of samples(20)) {
      // The oracle adds 68 bytes to the compressed length of an unsigned transaction for its signature.
      const compressed = BigInt(fastLzLength(Buffer.from(data.slice(2), "hex"))) + 68n;
      const scaled = 836_500n * compressed - 42_585_600n;
      const bytes = scaled < 100_000_000n ? 100_000_000n : scaled;
      const price = 16n * inputs.baseFeeScalar * inputs.l1BaseFee + inputs.blobBaseFeeScalar * inputs.blobBaseFee;
      const fee = await client.readContract({
        address: ORACLE,
        abi: oracleAbi,
        functionName: "getL1Fee",
        args: [data],
      });
      expect(fee, `${size(data)} bytes`).to.equal((bytes * price) / 10n ** 12n);
    }
  });

  it("is what a transaction is charged", async () => {
    const { client, wallet } = await openOpChain();
    const account = privateKeyToAccount(generatePrivateKey());
    await client.request({
      method: "hardhat_setBalance" as never,
      params: [account.address, "0x56bc75e2d63100000"] as never,
    });
    for (const [txNonce, data] of samples(6).entries()) {
      const raw = await account.signTransaction({
        type: "eip1559",
        chainId: await client.getChainId(),
        to: wallet.account.address,
        data,
        gas: 3_000_000n,
        nonce: txNonce,
        maxFeePerGas: parseUnits("10", 9),
        maxPriorityFeePerGas: 1n,
      });
      const hash = await client.sendRawTransaction({ serializedTransaction: raw });
      const receipt = (await client.request({ method: "eth_getTransactionReceipt", params: [hash] })) as unknown as {
        l1Fee: Hex;
      };
      expect(BigInt(receipt.l1Fee)).to.equal(dataFee(raw, inputs));
    }
  });
});

/** Noise, repetitions and everything between, of many lengths. */
function samples(count: number): Hex[] {
  const random = makeRandom(11);
  return Array.from({ length: count }, (_, i) => {
    const alphabet = 1 + random(i % 2 === 0 ? 256 : 8);
    const bytes = Uint8Array.from({ length: random(i % 5 === 0 ? 12_000 : 400) }, () => random(alphabet));
    return bytesToHex(bytes);
  });
}

async function openOpChain() {
  const { viem, networkHelpers } = await network.create({ chainType: "op", override: { hardfork: "isthmus" } });
  const client = await viem.getPublicClient();
  const [wallet] = await viem.getWalletClients();
  await networkHelpers.impersonateAccount(DEPOSITOR);
  await networkHelpers.setBalance(DEPOSITOR, 10n ** 20n);
  const data = concatHex([
    "0x098999be",
    encodePacked(
      [
        "uint32",
        "uint32",
        "uint64",
        "uint64",
        "uint64",
        "uint256",
        "uint256",
        "bytes32",
        "bytes32",
        "uint32",
        "uint64",
      ],
      [
        Number(inputs.baseFeeScalar),
        Number(inputs.blobBaseFeeScalar),
        0n,
        0n,
        0n,
        inputs.l1BaseFee,
        inputs.blobBaseFee,
        `0x${"00".repeat(32)}`,
        `0x${"00".repeat(32)}`,
        0,
        0n,
      ],
    ),
  ]);
  await wallet!.sendTransaction({ account: DEPOSITOR, to: L1_BLOCK, data });
  return { client, wallet: wallet! };
}
