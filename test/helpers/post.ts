import { Agent, request } from "node:http";

const agent = new Agent({ keepAlive: true });

/** An answer to {@link post}. */
export type Posted = { readonly status: number; readonly contentType: string | undefined; readonly text: string };

/** Posts JSON to a server of this machine. It takes half the processor time of `fetch`. */
export function post(url: string, body: string, signal?: AbortSignal): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const asked = request(url, { agent, method: "POST", headers, ...(signal === undefined ? {} : { signal }) });
    asked.on("error", (error) => {
      // The server gave an idle connection up in the moment when it was used again.
      const isStale = asked.reusedSocket && "code" in error && error.code === "ECONNRESET";
      if (isStale) post(url, body, signal).then(resolve, reject);
      else reject(error);
    });
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, contentType: response.headers["content-type"], text });
      });
    });
    asked.end(body);
  });
}
