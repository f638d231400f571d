/** A GET or HEAD of which nothing can be doubted: one whole head with fields that are known to be harmless, and no body. */
export interface PlainRequest {
  readonly method: "GET" | "HEAD";
  /** As it came; begins with a slash, printable ASCII without spaces. */
  readonly target: string;
  /** The socket's. */
  readonly address: string;
  readonly headers: PlainHeaders;
}

/** In lower case; each at most once. Others say nothing to a redirect. */
export type PlainHeaders = Readonly<Record<string, string>>;

const [SPACE, SLASH, DELETE] = [0x20, 0x2f, 0x7f];
/** What follows the target, the space between them included. */
const VERSION = " HTTP/1.1\r\n";
/** Longer ones are for node:http, which refuses them at 8 KiB. */
const MAX_HEAD_BYTES = 4_096;

/** RFC 9112 §5: a token, a colon, and a value of printable ASCII; no line folding, no other end of line. */
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)[ \t]*$/;
const HOST = /^[A-Za-z0-9.:[\]_-]{1,255}$/;
/** Neither frames of a message nor the connection hang on these. All others are for node:http. */
const HARMLESS: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "connection",
  "cookie",
  "dnt",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "pragma",
  "priority",
  "range",
  "referer",
  "sec-ch-ua",
  "sec-ch-ua-mobile",
  "sec-ch-ua-platform",
  "sec-fetch-dest",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-fetch-user",
  "sec-gpc",
  "upgrade-insecure-requests",
  "user-agent",
  "want-digest",
]);
/** Clients send the same fields with every request; few are so many, or so long. */
const MOST_KNOWN = 512;

/**
 * Tells the requests that can be answered without an HTTP parser from all others. Strict and closed: what is not known to be plain is
 * for node:http, which answers or refuses it (rows H02, H08, H09, H12). No state but what was read before, byte for byte.
 */
export class PlainRequestReader {
  /** By all bytes behind the request line. */
  readonly #known = new Map<string, PlainHeaders>();

  /** @param bytes all that came on the connection since the last request; undefined: not one plain request and nothing more */
  read(bytes: Buffer, address: string): PlainRequest | undefined {
    const { length } = bytes;
    if (length > MAX_HEAD_BYTES || length < MIN_HEAD_BYTES) return undefined;
    const method = methodOf(bytes);
    if (method === undefined) return undefined;
    const start = method.length + 1;
    if (bytes[start] !== SLASH) return undefined;
    let end = start + 1;
    while (end < length && bytes[end]! > SPACE && bytes[end]! < DELETE) end++;
    const rest = bytes.toString("latin1", end, length);
    if (!rest.startsWith(VERSION)) return undefined;
    const headers = this.#known.get(rest) ?? this.#parse(rest);
    return headers && { method, target: bytes.toString("latin1", start, end), address, headers };
  }

  #parse(rest: string): PlainHeaders | undefined {
    const headers = parseFields(rest);
    if (headers === undefined) return undefined;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(rest, headers);
    return headers;
  }
}

const MIN_HEAD_BYTES = "GET / HTTP/1.1\r\n\r\n".length;

function methodOf(bytes: Buffer): PlainRequest["method"] | undefined {
  const [G, E, T, H, A, D] = [0x47, 0x45, 0x54, 0x48, 0x41, 0x44];
  if (bytes[0] === G && bytes[1] === E && bytes[2] === T && bytes[3] === SPACE) return "GET";
  const isHead = bytes[0] === H && bytes[1] === E && bytes[2] === A && bytes[3] === D && bytes[4] === SPACE;
  return isHead ? "HEAD" : undefined;
}

/** @param rest from {@link VERSION} to the end of what came */
function parseFields(rest: string): PlainHeaders | undefined {
  const lines = rest.slice(VERSION.length).split("\r\n");
  // The head ends with an empty line, and nothing follows.
  if (lines.length < 3 || lines.pop() !== "" || lines.pop() !== "") return undefined;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, written = "", value = ""] = FIELD_LINE.exec(line) ?? [];
    const name = written.toLowerCase();
    if (!HARMLESS.has(name) || headers[name] !== undefined) return undefined;
    headers[name] = value;
  }
  if (!HOST.test(headers["host"] ?? "")) return undefined;
  const { connection = "keep-alive" } = headers;
  return connection.toLowerCase() === "keep-alive" ? headers : undefined;
}
