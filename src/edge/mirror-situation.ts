import type { Assignment } from "../plan/assigned-cut.ts";

/** `none`: whoever comes is sent to central. */
export type CustomersFrom = "any" | "site" | "none";

/** What a mirror does at this moment, as far as central should know. */
export interface MirrorLoad {
  readonly isSyncing: boolean;
  readonly bytesLeft: number;
  readonly customers: number;
  /** Of their answers, still to be sent. */
  readonly customerBytesLeft: number;
}

/** Bytes that releases asked for and how they came, since the program started. */
export interface ObtainedBytes {
  /** Here already, under any name or as parts of other files. */
  readonly reused: number;
  /** Of those, what came as parts of other files: by delta. */
  readonly delta: number;
  readonly fromPeers: number;
  readonly fromOrigin: number;
}

/** What changes while a mirror works, shared by its parts. */
export interface MirrorSituation {
  load: MirrorLoad;
  /** Sent to customers since the start. */
  customerBytes: number;
  obtained: ObtainedBytes;
  /** Base URL at which customers reach this mirror, undefined if none shall be sent here. */
  customerUrl: string | undefined;
  /** Customers at {@link customerUrl} meet this program's own HTTP, which knows contents; false: perhaps a web server, which knows the names in DEST. */
  isAskedByContent: boolean;
  /** Base URL at which customers reach central, as it told in this run; undefined: as the ticket says. */
  centralCustomerUrl: string | undefined;
  /** Whose customers this mirror takes (`daemon --customers`). */
  customersFrom: CustomersFrom;
  /** Nobody is served whom central did not send, by its signature (`daemon --only-redirected`). */
  isOnlyRedirected: boolean;
  /** A web server of its own goes on at {@link customerUrl} when this program ends, until the sync so many milliseconds later (`sync --expect`). */
  expectedMs: number | undefined;
  /** What a volatile volunteer offers (`--role volatile`); undefined for any other. */
  volatileQuotaBytes: number | undefined;
  /** What central assigned to it last in this run. */
  assignment: Assignment | undefined;
  /** The newest pass central gave. */
  pass: string;
  /** Pass key of the newest trusted release, 32 bytes; before the first nobody is admitted. */
  passKey: Uint8Array;
  /** When the trusted timestamp ends, milliseconds since 1970; undefined before the first refresh of this run. */
  trustEndsMs: number | undefined;
  revoked: ReadonlySet<string>;
  /** Central lets stock BitTorrent clients in (`serve --open`); not before it said so. */
  isOpen: boolean;
  /** Newest release held, being fetched or told of by central, 0 none. */
  announcedRelease: number;
  /** Called when central tells of a release that is news. */
  onNews: () => void;
  /** Called when a file turned out to be changed on disk. */
  onChanged: () => void;
}

/** Customers are sent to a web server that gives out DEST by name, whatever content they were promised. */
export function servesByName({
  customerUrl,
  isAskedByContent,
}: Pick<MirrorSituation, "customerUrl" | "isAskedByContent">): boolean {
  return customerUrl !== undefined && !isAskedByContent;
}
