import { createHash } from "node:crypto";
import { request, type IncomingMessage } from "node:http";

/** What came of one customer's try for a file. */
export type FetchOutcome =
  | {
      readonly kind: "file";
      readonly from: string;
      readonly sha256: string;
      readonly lengthBytes: number;
      readonly digest: string | undefined;
    }
  | { readonly kind: "status"; readonly from: string; readonly status: number }
  /** No connection, or one that ended early. */
  | { readonly kind: "cut"; readonly from: string; readonly reason: string };

const MAX_HOPS = 5;
const PATIENCE_MS = 60_000;

/**
 * A plain GET that follows redirects, from an address of loopback that stands for the customer.
 * @returns `from`: host and port that gave the last answer, `digest`: SHA-256 that the last redirect promised, in hex
 */
export async function fetchAsCustomer(url: string, localAddress: string): Promise<FetchOutcome> {
  let target = url;
  let digest: string | undefined;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const from = new URL(target).host;
    try {
      const answer = await get(target, localAddress);
      const { location } = answer.headers;
      if (location !== undefined) {
        answer.resume();
        digest = digestOf(answer) ?? digest;
        target = new URL(location, target).href;
        continue;
      }
      const { sha256, lengthBytes } = await hashBody(answer);
      if (answer.statusCode !== 200) return { kind: "status", from, status: answer.statusCode ?? 0 };
      return { kind: "file", from, sha256, lengthBytes, digest };
    } catch (error) {
      return { kind: "cut", from, reason: (error as NodeJS.ErrnoException).code ?? String(error) };
    }
  }
  return { kind: "status", from: new URL(target).host, status: 310 };
}

function get(url: string, localAddress: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { localAddress, agent: false, timeout: PATIENCE_MS }, resolve);
    asked.on("timeout", () => asked.destroy(new Error("timeout")));
    asked.on("error", reject);
    asked.end();
  });
}

async function hashBody(answer: IncomingMessage): Promise<{ readonly sha256: string; readonly lengthBytes: number }> {
  const hash = createHash("sha256");
  let lengthBytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    hash.update(part);
    lengthBytes += part.length;
  }
  return { sha256: hash.digest("hex"), lengthBytes };
}

function digestOf({ headers }: IncomingMessage): string | undefined {
  const text = /^SHA-256=(.*)$/.exec(String(headers["digest"] ?? ""))?.[1];
  return text === undefined ? undefined : Buffer.from(text, "base64").toString("hex");
}
