import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { DEFAULT_SERVE_OPTIONS, type ServeOptions } from "../../central/serve-options.ts";
import { serveTree } from "../../central/serve.ts";
import { parseStatusNetwork, type StatusNetwork } from "../../central/status-access.ts";
import { realClock } from "../../net/real-clock.ts";
import { DEFAULT_TREE_WATCHER_OPTIONS } from "../../net/tree-watcher.ts";
import { applySignedRelease } from "../../publisher/recover-publish.ts";
import { TufRepository } from "../../publisher/tuf-repository.ts";
import { ConfinedDirectory } from "../../store/confined-directory.ts";
import { PublishedTreeReader } from "../../store/published-tree.ts";
import { parseByteSize } from "../../core/byte-size.ts";
import { messageOf } from "../../core/errors.ts";
import { POLICY_NAMES } from "../../delivery/policies/named-policy.ts";
import { parseSiteTable, type SiteTable } from "../../tracker/site-table.ts";
import { type ParsedArguments, UsageError } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { ACCESS_LOG_OPTION, openAccessLog } from "../access-log.ts";
import { EXIT } from "../exit-codes.ts";
import {
  CONFIG_OPTION,
  JSON_OPTION,
  LOG_FORMAT_OPTION,
  logFormatOf,
  logLevelOf,
  parseBaseUrl,
  parseListen,
  QUIET_OPTION,
  STATE_OPTION,
  stateDirectoryOf,
  VERBOSE_OPTION,
  WORK_OPTION,
  workDirectoryOf,
} from "../load-options.ts";
import { loggingContext } from "../log-file.ts";
import { NETWORK_OPTIONS, networkLimits } from "../network-options.ts";
import { ownProgram } from "../own-program.ts";
import { REQUEST_RATE_OPTION, requestRateOf } from "../request-rate.ts";
import { publishCommand } from "./publish.ts";
import { announceReady, untilAborted } from "../ready.ts";

/** `prsync serve TREE` */
export const serveCommand: Command = {
  name: "serve",
  summary: "central: origin, tracker and HTTP server of a published tree",
  description:
    "Serves the releases that `prsync publish` cut: files for customers, metadata and contents for mirrors, the tracker, and\n" +
    "the origin of the swarm. Signs metadata anew before it ends. An unpublished change of TREE is never served.",
  positionals: [{ name: "TREE" }],
  options: [
    {
      name: "listen",
      kind: "text",
      check: (text) => parseListen(text, "listen"),
      placeholder: "HOST:PORT",
      help: "HTTP (default all addresses, port 7380; port 0 picks one)",
    },
    { name: "peer-port", kind: "port", placeholder: "PORT", help: "peers (default 7382; 0 picks one)" },
    {
      name: "public-url",
      kind: "text",
      placeholder: "URL",
      check: (text) => parseBaseUrl(text, "public-url"),
      help: "how the world reaches the HTTP port",
    },
    { name: "trusted-proxy", kind: "text", placeholder: "ADDRESS", help: "believe X-Forwarded-For of this proxy" },
    {
      name: "status-from",
      kind: "rule",
      placeholder: "NET",
      check: (text) => void statusNetworkOf(text),
      help: "ADDRESS[/BITS] whose hosts see mirrors' addresses and warnings on the status page; repeatable (default: this machine)",
    },
    {
      name: "sites",
      kind: "text",
      placeholder: "FILE",
      isPath: true,
      help: "names of sites by address, lines of ADDRESS/BITS NAME (default: a site is a /16 or /48)",
    },
    { name: "no-redirect", kind: "flag", help: "serve all customers here, send none to volunteers" },
    {
      name: "serve-below",
      kind: "text",
      placeholder: "SIZE",
      help: "send nobody to a volunteer for a file below this size (default 16K)",
    },
    {
      name: "policy",
      kind: "text",
      placeholder: "NAME",
      choices: POLICY_NAMES,
      help: "which volunteer: near (default: same site, then least wait), least-wait, two-choices, least-sent, weights, round-robin, random",
    },
    {
      name: "fair-sites",
      kind: "flag",
      help: "each site gives other sites about as much as it takes; costs time where their lines differ much",
    },
    { name: "open", kind: "flag", help: "let stock BitTorrent clients join the swarm" },
    { name: "watch", kind: "flag", help: "publish after TREE was quiet for a while" },
    {
      name: "watch-quiet",
      kind: "duration",
      placeholder: "30s",
      help: "how long that is (at the latest 15 min after a change)",
    },
    {
      name: "audit-interval",
      kind: "duration",
      placeholder: "15m",
      help: "between two audits of a mirror by a customer's request, on average (0s: none)",
    },
    {
      name: "audit-from",
      kind: "rule",
      placeholder: "ADDRESS",
      check: parseAuditAddress,
      help: "audit from this address of the host, not the one that mirrors announce to; as often as there are addresses",
    },
    {
      name: "announce-interval",
      kind: "duration",
      placeholder: "60s",
      between: ["10s", "30m"],
      help: "between two announces of a mirror, 10s to 30m",
    },
    REQUEST_RATE_OPTION,
    ...NETWORK_OPTIONS,
    ACCESS_LOG_OPTION,
    LOG_FORMAT_OPTION,
    WORK_OPTION,
    CONFIG_OPTION,
    STATE_OPTION,
    JSON_OPTION,
    QUIET_OPTION,
    VERBOSE_OPTION,
  ],
  run: runServe,
};

async function runServe(args: ParsedArguments, outer: CommandContext): Promise<number> {
  const context = loggingContext(outer, undefined, logFormatOf(args));
  const treePath = resolve(args.required("TREE"));
  // Only looked at: TREE may be swapped as a whole later, so it is not held open.
  ConfinedDirectory.open(treePath)[Symbol.dispose]();
  const options = serveOptions(treePath, args, context);
  const log = context.createLogger(logLevelOf(args));
  const { stateDirectory } = options;
  const workDirectory = workDirectoryOf(treePath, args);
  const authority = await TufRepository.openOrCreate(stateDirectory, realClock);
  const place = { stateDirectory, workDirectory };
  // A publish that was killed may have signed a release and not shown it.
  const settle = async (): Promise<void> => {
    const release = await applySignedRelease(place, authority, realClock);
    if (release !== undefined) log.info({ release }, "finished the release of a publish that was killed");
  };
  await settle();
  using tree = await PublishedTreeReader.open({ treePath, ...place });
  const configured = args.configured?.wordsFor(publishCommand.options) ?? [];
  const publish = (): Promise<void> => publishInChild(treePath, place, configured).finally(settle);
  await using accessLog = openAccessLog(args, { clock: realClock, log });
  const ports = { tree, authority, clock: realClock, log, publish };
  await using program = await serveTree(options, accessLog ? { ...ports, onAnswered: accessLog.note } : ports);
  const peer = `${new URL(program.httpUrl).hostname}:${program.peerPort}`;
  announceReady("serve", { http: program.httpUrl, peer }, { args, context });
  await untilAborted(context.signal);
  return EXIT.ok;
}

function serveOptions(treePath: string, args: ParsedArguments, context: CommandContext): ServeOptions {
  const listen = args.text("listen");
  const place = listen === undefined ? undefined : parseListen(listen, "listen");
  const publicUrl = args.text("public-url");
  const proxy = args.text("trusted-proxy");
  const sites = args.text("sites");
  const quietMs = args.number("watch-quiet") ?? DEFAULT_TREE_WATCHER_OPTIONS.quietMs;
  return {
    ...DEFAULT_SERVE_OPTIONS,
    ...networkLimits(args),
    treePath,
    stateDirectory: stateDirectoryOf(treePath, args, context),
    listenHost: place?.host ?? DEFAULT_SERVE_OPTIONS.listenHost,
    listenPort: place?.port ?? DEFAULT_SERVE_OPTIONS.listenPort,
    peerPort: args.number("peer-port") ?? DEFAULT_SERVE_OPTIONS.peerPort,
    publicUrl: publicUrl === undefined ? undefined : parseBaseUrl(publicUrl, "public-url"),
    trustedProxies: proxy === undefined ? [] : [trustedProxyOf(proxy)],
    statusNetworks: statusNetworksOf(args),
    siteTable: sites === undefined ? DEFAULT_SERVE_OPTIONS.siteTable : readSiteTable(sites),
    areSitesFair: args.flag("fair-sites"),
    redirects: redirectOptions(args),
    requestRate: requestRateOf(args),
    allowStockClients: args.flag("open"),
    auditIntervalMs: args.number("audit-interval") ?? DEFAULT_SERVE_OPTIONS.auditIntervalMs,
    auditFrom: args.rules.filter(({ name }) => name === "audit-from").map(({ value }) => parseAuditAddress(value)),
    announceIntervalMs: args.number("announce-interval") ?? DEFAULT_SERVE_OPTIONS.announceIntervalMs,
    watch: args.flag("watch") ? { ...DEFAULT_TREE_WATCHER_OPTIONS, quietMs } : undefined,
  };
}

/** Those that are named take the place of the default. @throws UsageError */
function statusNetworksOf(args: ParsedArguments): readonly StatusNetwork[] {
  const named = args.rules.filter(({ name }) => name === "status-from").map(({ value }) => statusNetworkOf(value));
  return named.length === 0 ? DEFAULT_SERVE_OPTIONS.statusNetworks : named;
}

/** @throws UsageError */
function statusNetworkOf(text: string): StatusNetwork {
  const network = parseStatusNetwork(text);
  if (network === undefined) throw new UsageError([`--status-from: expected ADDRESS or ADDRESS/BITS, got "${text}"`]);
  return network;
}

/** Networks that the library for forwarded addresses (proxy-addr) knows by name. */
const PROXY_NAMES: readonly string[] = ["loopback", "linklocal", "uniquelocal"];

/** @throws UsageError */
function trustedProxyOf(text: string): string {
  const network = parseStatusNetwork(text);
  if ((network !== undefined && network.bits > 0) || PROXY_NAMES.includes(text)) return text;
  throw new UsageError([`--trusted-proxy: expected the proxy's ADDRESS or ADDRESS/BITS, got "${text}"`]);
}

/** @throws UsageError */
function parseAuditAddress(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new UsageError([`--audit-from: expected an IP address of this host, got "${text}"`]);
}

/** @throws UsageError */
function redirectOptions(args: ParsedArguments): ServeOptions["redirects"] {
  if (args.flag("no-redirect")) return undefined;
  const defaults = DEFAULT_SERVE_OPTIONS.redirects!;
  const size = args.text("serve-below");
  try {
    return {
      policy: POLICY_NAMES.find((name) => name === args.text("policy")) ?? defaults.policy,
      minBytes: size === undefined ? defaults.minBytes : parseByteSize(size),
    };
  } catch (error) {
    throw new UsageError([`--serve-below: ${messageOf(error)}`]);
  }
}

/** @throws UsageError if the file can't be read; TrackerError `bad-site-table` */
function readSiteTable(path: string): SiteTable {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError([`--sites: ${messageOf(error)}`]);
  }
  return parseSiteTable(text);
}

/** In a process of its own: hashing must not slow down who is being served. */
async function publishInChild(
  treePath: string,
  place: { readonly stateDirectory: string; readonly workDirectory: string },
  configured: readonly string[],
): Promise<void> {
  const [command, ...words] = ownProgram();
  // What stands last counts.
  const options = [...configured, "--quiet", "--state", place.stateDirectory, "--work", place.workDirectory];
  const child = spawn(command!, [...words, "publish", treePath, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (told = (told + text).slice(-4_000)));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== EXIT.ok && code !== EXIT.sourceChanged)
    throw new Error(`publish ended with ${code ?? "a signal"}: ${told.trim()}`);
}
