import { percentDecodeBytes } from "../codec/percent-encoding.ts";
import { refuseAnnounce } from "./errors.ts";

export type AnnounceEvent = "started" | "completed" | "stopped";

/** BEP 3's parameters, as both kinds of announce have them. */
export interface AnnounceQuery {
  /** 20 bytes as 40 hex digits. */
  readonly peerId: string;
  /** 1 … 65535. */
  readonly port: number;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly leftBytes: number;
  readonly event: AnnounceEvent | undefined;
}

const MAX_QUERY_LENGTH = 4096;
const MAX_PARAMETERS = 32;

/** Percent-decoded parameters as byte strings; the first of a name wins. @throws TrackerError `bad-announce` */
export function parseByteQuery(query: string): ReadonlyMap<string, string> {
  if (query.length > MAX_QUERY_LENGTH) refuseAnnounce(`expected a query of at most ${MAX_QUERY_LENGTH} characters`);
  const parameters = new Map<string, string>();
  for (const pair of query.split("&", MAX_PARAMETERS)) {
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    const value = percentDecodeBytes(equals < 0 ? "" : pair.slice(equals + 1));
    if (value === undefined) refuseAnnounce("expected percent-encoding as %HH");
    if (!parameters.has(name)) parameters.set(name, value);
  }
  return parameters;
}

/** @throws TrackerError `bad-announce` */
export function readAnnounceQuery(parameters: ReadonlyMap<string, string>): AnnounceQuery {
  const port = integerParameter(parameters, "port");
  if (port < 1 || port > 65_535) refuseAnnounce(`expected a port from 1 to 65535, got ${port}`);
  return {
    peerId: readIdParameter(parameters, "peer_id"),
    port,
    uploadedBytes: integerParameter(parameters, "uploaded", 0),
    downloadedBytes: integerParameter(parameters, "downloaded", 0),
    leftBytes: integerParameter(parameters, "left", 0),
    event: readEvent(parameters.get("event")),
  };
}

/** A parameter of 20 raw bytes as 40 hex digits. @throws TrackerError `bad-announce` */
export function readIdParameter(parameters: ReadonlyMap<string, string>, name: string): string {
  const bytes = parameters.get(name) ?? "";
  if (bytes.length !== 20) refuseAnnounce(`expected 20 bytes as ${name}, got ${bytes.length}`);
  return Buffer.from(bytes, "latin1").toString("hex");
}

function integerParameter(parameters: ReadonlyMap<string, string>, name: string, fallback?: number): number {
  const text = parameters.get(name);
  if (text === undefined && fallback !== undefined) return fallback;
  const value = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) refuseAnnounce(`expected a whole number as ${name}`);
  return value;
}

function readEvent(text: string | undefined): AnnounceEvent | undefined {
  if (text === undefined || text === "" || text === "empty") return undefined;
  if (text === "started" || text === "completed" || text === "stopped") return text;
  // BEP 21's "paused" and what else clients invent: as if there were none.
  return undefined;
}
