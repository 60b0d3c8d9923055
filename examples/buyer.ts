// A buyer with the official client. Run: PRIVATE_KEY=0x… node examples/buyer.ts http://127.0.0.1:4021/weather
import { registerExactEvmScheme } from "@x402/evm/exact/client";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";

const signer = privateKeyToAccount(process.env.PRIVATE_KEY as `0x${string}`);
const buy = wrapFetchWithPayment(fetch, registerExactEvmScheme(new x402Client(), { signer }));
const response = await buy(process.argv[2] ?? "http://127.0.0.1:4021/weather");
console.log(response.status, await response.text());
const receipt = response.headers.get("payment-response");
if (receipt !== null) console.log(JSON.stringify(decodePaymentResponseHeader(receipt)));
