import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import {
  createTransport,
  HttpRequestError,
  type HttpTransportConfig,
  http,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
  type Transport,
} from "viem";
import { chunks } from "../lists.ts";

/** Settings that only viem's own transport knows. */
const OF_FETCH = ["fetchFn", "fetchOptions", "methods", "onFetchRequest", "onFetchResponse", "raw"] as const;
const USUAL_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 10_485_760;
const MOST_REDIRECTS = 5;
const unzip = promisify(gunzip);

type Call = { readonly method: string; readonly params?: unknown };
type Waiting = {
  readonly call: Call;
  /** The caller says of which type the result is. */
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
};
/** What a request is about. viem's errors want to know it. */
type Asked = { readonly url: string; readonly body: ({ readonly id: number } & Call)[] };
type Bounds = { readonly timeoutMs: number; readonly maxBytes: number | false };

/**
 * JSON-RPC over HTTP with the errors and retries of viem's `http`. Calls of one tick share a request. It asks by node:http:
 * `fetch` takes twice the processor time, and viem makes two more `Request` objects and an error for each request.
 * @param settings With a setting about `fetch`, or without `batch` as an object, this is viem's `http`.
 */
export function httpTransport(url: string, settings: HttpTransportConfig): Transport {
  const { batch, key = "http", name = "HTTP JSON-RPC", retryDelay } = settings;
  if (typeof batch !== "object" || OF_FETCH.some((setting) => settings[setting] !== undefined)) {
    return http(url, settings);
  }
  const { batchSize = 1_000, wait = 0 } = batch;
  return ({ retryCount, timeout = settings.timeout ?? USUAL_TIMEOUT_MS }) => {
    const bounds = { timeoutMs: timeout, maxBytes: settings.maxResponseBodySize ?? MAX_ANSWER_BYTES };
    let waiting: Waiting[] = [];

    function send(): void {
      const all = waiting;
      waiting = [];
      for (const some of chunks(all, batchSize)) void exchange(url, some, bounds);
    }

    const config = { key, name, type: "http", retryCount: settings.retryCount ?? retryCount, timeout };
    return createTransport(
      {
        ...config,
        ...(retryDelay === undefined ? {} : { retryDelay }),
        request: ({ method, params }: Call) =>
          new Promise<never>((resolve, reject) => {
            if (waiting.length === 0) setTimeout(send, wait);
            waiting.push({ call: { method, params }, resolve, reject });
          }),
      },
      { url },
    );
  };
}

/** Sends calls in one request and answers each of them. */
async function exchange(url: string, waiting: readonly Waiting[], bounds: Bounds): Promise<void> {
  const asked: Asked = { url, body: waiting.map(({ call }, id) => ({ jsonrpc: "2.0", id, ...call })) };
  try {
    const answers = readAnswers(asked, await post(asked, bounds));
    for (const [id, { call: body, resolve, reject }] of waiting.entries()) {
      const answer = answers.get(id) ?? answers.get(undefined);
      if (answer === undefined) reject(new HttpRequestError({ ...asked, details: "a call was not answered" }));
      else if (isRpcError(answer.error)) reject(new RpcRequestError({ body, error: answer.error, url }));
      else if (answer.error) reject(new HttpRequestError({ ...asked, details: JSON.stringify(answer.error) }));
      else resolve(answer.result as never);
    }
  } catch (error) {
    const isNamed = [HttpRequestError, ResponseBodyTooLargeError, TimeoutError].some((one) => error instanceof one);
    const cause = error instanceof Error ? error : new Error("unknown");
    for (const { reject } of waiting) reject(isNamed ? error : new HttpRequestError({ ...asked, cause }));
  }
}

/** A node's answer to each call, by the call's id. What it says about the whole request has none. */
function readAnswers(asked: Asked, { status, text, response }: Posted): ReadonlyMap<number | undefined, Json> {
  const isOk = status >= 200 && status < 300;
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch (error) {
    if (isOk) throw error;
  }
  const whole = isJson(said) ? said : undefined;
  if (!isOk && !isRpcError(whole?.error)) {
    const details = JSON.stringify(whole?.error ?? text);
    throw new HttpRequestError({ ...asked, details, status, headers: headersOf(response) });
  }
  const answers: readonly Json[] = whole === undefined && Array.isArray(said) ? said.filter(isJson) : [whole ?? {}];
  return new Map(answers.map((answer) => [typeof answer.id === "number" ? answer.id : undefined, answer]));
}

/** The only header that viem reads, to know when to ask again. */
function headersOf({ headers: { "retry-after": after } }: IncomingMessage): Headers {
  return new Headers(after === undefined ? {} : { "Retry-After": after });
}

/** A JSON object. */
type Json = { readonly [name: string]: unknown };
type RpcError = { readonly code: number; readonly message: string; readonly data?: unknown };

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRpcError(value: unknown): value is RpcError {
  return isJson(value) && typeof value.code === "number" && typeof value.message === "string";
}

type Posted = { readonly status: number; readonly text: string; readonly response: IncomingMessage };

/** Posts to the node, and to wherever it points instead. */
async function post(asked: Asked, bounds: Bounds): Promise<Posted> {
  let { url } = asked;
  for (let hops = 0; ; hops += 1) {
    const answer = await postOnce(asked, url, bounds);
    const { location } = answer.response.headers;
    const isElsewhere = answer.status === 307 || answer.status === 308;
    if (!isElsewhere || location === undefined || hops === MOST_REDIRECTS) return answer;
    url = new URL(location, url).href;
  }
}

function postOnce(asked: Asked, url: string, bounds: Bounds): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(asked.body);
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "accept-encoding": "gzip",
    };
    const request = (url.startsWith("https:") ? requestHttps : requestHttp)(url, { method: "POST", headers });
    const tooSlow = (): void => {
      reject(new TimeoutError(asked));
      request.destroy();
    };
    const timer = bounds.timeoutMs > 0 ? setTimeout(tooSlow, bounds.timeoutMs) : undefined;
    request.on("close", () => clearTimeout(timer));
    request.on("error", (error) => {
      // The node closed an idle connection at the moment when it was used again.
      const isStale = request.reusedSocket && "code" in error && error.code === "ECONNRESET";
      if (isStale) postOnce(asked, url, bounds).then(resolve, reject);
      else reject(error);
    });
    request.on("response", (response) => {
      const { statusCode: status = 0 } = response;
      readText(response, bounds.maxBytes).then((text) => resolve({ status, text, response }), reject);
    });
    request.end(body);
  });
}

function readText(response: IncomingMessage, maxBytes: number | false): Promise<string> {
  const isZipped = response.headers["content-encoding"] === "gzip";
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on("data", (part: Buffer) => {
      bytes += part.length;
      if (maxBytes !== false && bytes > maxBytes) {
        reject(new ResponseBodyTooLargeError({ maxSize: maxBytes, size: bytes }));
        response.destroy();
      } else parts.push(part);
    });
    response.on("error", reject);
    response.on("end", () => {
      const all = Buffer.concat(parts);
      if (!isZipped) return resolve(all.toString());
      const bound = maxBytes === false ? {} : { maxOutputLength: maxBytes };
      unzip(all, bound).then((plain) => resolve(plain.toString()), reject);
    });
  });
}
