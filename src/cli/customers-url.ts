import type { MirrorSituation } from "../edge/mirror-situation.ts";

/** Where a daemon's HTTP listens. */
export interface ListeningPlace {
  /** IP address; `::` and `0.0.0.0` mean all of them. */
  readonly host: string;
  readonly port: number;
}

/** What the options say of a daemon's URL. */
export interface NamedUrl {
  /** `--public-url`, without a slash at its end; undefined: the address of `--listen`, if it is one. */
  readonly publicUrl: string | undefined;
  /** `--proxied`: what answers there asks this program. */
  readonly isProxied: boolean;
}

/**
 * Where customers reach a daemon, and whether it is itself who answers there.
 * @param place undefined: the daemon has no HTTP (`--listen none`)
 */
export function customersAt(
  { publicUrl, isProxied }: NamedUrl,
  place: ListeningPlace | undefined,
): Pick<MirrorSituation, "customerUrl" | "isAskedByContent"> {
  if (place === undefined) return { customerUrl: publicUrl, isAskedByContent: false };
  if (publicUrl !== undefined)
    return { customerUrl: publicUrl, isAskedByContent: isProxied || isOwnPort(publicUrl, place) };
  return { customerUrl: ownUrl(place), isAskedByContent: true };
}

/** A name for customers that is a real address, or none: a wildcard is no address. */
function ownUrl({ host, port }: ListeningPlace): string | undefined {
  return isWildcard(host) ? undefined : `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Plain HTTP, no path, and a port of this host that no other program can have: any other URL leads to a web server that may give out
 * DEST by name. No question to it could tell: some look on the disk first and ask this program for the rest. What a router maps to that
 * port is taken for this host's.
 */
function isOwnPort(publicUrl: string, { host, port }: ListeningPlace): boolean {
  const url = new URL(publicUrl);
  if (url.protocol !== "http:" || url.pathname !== "/" || Number(url.port || 80) !== port) return false;
  return isWildcard(host) || url.hostname.replace(/^\[|\]$/g, "") === host;
}

function isWildcard(host: string): boolean {
  return host === "::" || host === "0.0.0.0";
}
