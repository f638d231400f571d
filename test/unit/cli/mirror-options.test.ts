import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseArguments, UsageError, type ParsedArguments } from "../../../src/cli/arguments.ts";
import type { CommandContext } from "../../../src/cli/command.ts";
import { createLineLogger } from "../../../src/cli/line-logger.ts";
import {
  parseBaseUrl,
  parseListen,
  stateDirectoryOf,
  STATE_OPTION,
  workDirectoryOf,
  WORK_OPTION,
} from "../../../src/cli/load-options.ts";
import { selectionSettings } from "../../../src/cli/selection-options.ts";
import { MIRROR_OPTIONS, syncOptions, ticketAndDestination } from "../../../src/cli/mirror-options.ts";
import { networkLimits } from "../../../src/cli/network-options.ts";
import { encodeTicket, type Ticket } from "../../../src/trust/ticket.ts";

const TICKET: Ticket = {
  url: "http://central:7380",
  repository: "0".repeat(32),
  root: "0".repeat(64),
  name: "mirror",
  token: Buffer.alloc(32, 7),
};
const TEXT = encodeTicket(TICKET);

function contextOf(env: CommandContext["env"] = {}): CommandContext {
  return {
    print: () => undefined,
    complain: () => undefined,
    env,
    isTerminal: false,
    signal: new AbortController().signal,
    createLogger: () => createLineLogger("error", () => undefined),
  };
}

function parse(...words: readonly string[]): ParsedArguments {
  const positionals = [{ name: "TICKET", isOptional: true }, { name: "DEST" }];
  return parseArguments(words, { positionals, options: [...MIRROR_OPTIONS, STATE_OPTION, WORK_OPTION] });
}

test("the ticket comes as a word, from the environment or from a file, white space around it or not", () => {
  const directory = mkdtempSync(join(tmpdir(), "prsync-cli-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "ticket"), `\n ${TEXT}\n`);
  const sources = [
    ticketAndDestination(parse(TEXT, "/dest"), contextOf()),
    ticketAndDestination(parse("/dest"), contextOf({ PRSYNC_TICKET: TEXT })),
    ticketAndDestination(parse(`@${directory}/ticket`, "/dest"), contextOf()),
    ticketAndDestination(parse("/dest"), contextOf({ PRSYNC_TICKET: `@${directory}/ticket` })),
  ];
  for (const { ticket, destinationPath } of sources) {
    expect([ticket?.name, destinationPath]).toEqual(["mirror", "/dest"]);
  }
});

test.each([
  ["500", 500 * 1024, 500 * 1024],
  ["1.5m", 1.5 * 2 ** 20, 1.5 * 2 ** 20],
  ["0", Infinity, Infinity],
  ["2M:0", 2 * 2 ** 20, Infinity],
  ["0:64", Infinity, 64 * 1024],
])("--bwlimit %s is KiB/s unless a unit says otherwise", (text, uploadBytesPerSecond, downloadBytesPerSecond) => {
  const { bandwidth } = networkLimits(parse("--bwlimit", text, "/dest"));
  expect(bandwidth).toEqual({ uploadBytesPerSecond, downloadBytesPerSecond });
});

test.each([
  ["--bwlimit", "fast"],
  ["--bwlimit", "1:2:3"],
  ["--bwlimit", "1:"],
  ["--bwlimit", "1k/s"],
  ["--max-connections", "0"],
])("%s %s is refused", (option, value) => {
  expect(() => networkLimits(parse(option, value, "/dest"))).toThrow(UsageError);
});

test("without a ticket there is none, an empty variable is none", () => {
  expect(ticketAndDestination(parse("/dest"), contextOf()).ticket).toBeUndefined();
  expect(ticketAndDestination(parse("/dest"), contextOf({ PRSYNC_TICKET: "" })).ticket).toBeUndefined();
});

test("a word of the command line comes before the environment", () => {
  const other = encodeTicket({ ...TICKET, name: "other" });
  expect(ticketAndDestination(parse(other, "/dest"), contextOf({ PRSYNC_TICKET: TEXT })).ticket?.name).toBe("other");
});

test("a lone ticket is not taken for a directory, a missing file is named", () => {
  expect(() => ticketAndDestination(parse(TEXT), contextOf())).toThrow(UsageError);
  expect(() => ticketAndDestination(parse("@/no/such/file", "/dest"), contextOf())).toThrow(
    /"\/no\/such\/file" does not exist/,
  );
});

test("options of a sync have rsync's defaults and are passed on", () => {
  const defaults = { removal: "ours", maxDelete: "a-fifth" } as const;
  const plain = syncOptions(parse("/dest"), defaults);
  expect(plain).toMatchObject({
    plan: { checksum: false, sizeOnly: false, useDelta: true, removal: "ours" },
    rescanMs: 86_400_000,
    maxDelete: "a-fifth",
  });
  expect(plain.removeAfterMs).toBeUndefined();
  expect(syncOptions(parse("/dest", "--delete-after-age=2d"), defaults).removeAfterMs).toBe(2 * 86_400_000);
  const given = syncOptions(parse("/dest", "-c", "--delta-size=off", "--max-delete=0", "--rescan=0"), defaults);
  expect(given).toMatchObject({ plan: { checksum: true, useDelta: false }, rescanMs: 0, maxDelete: 0 });
  expect(() => syncOptions(parse("/dest", "-c", "--size-only"), defaults)).toThrow(/contradict/);
});

test("a listening place is HOST:PORT, IPv6 in brackets, no host for all", () => {
  expect(parseListen("127.0.0.1:80", "listen")).toEqual({ host: "127.0.0.1", port: 80 });
  expect(parseListen("[::1]:0", "listen")).toEqual({ host: "::1", port: 0 });
  expect(parseListen(":7381", "listen")).toEqual({ host: "::", port: 7381 });
  for (const text of ["80", "host", "host:", "::1:80", "host:99999", "host:-1", "[host]:80", "a b:c"])
    expect(() => parseListen(text, "listen")).toThrow(/--listen/);
});

test("a base URL is http or https without query, and loses its slash", () => {
  expect(parseBaseUrl("https://mirror.example/debian/", "public-url")).toBe("https://mirror.example/debian");
  for (const text of ["mirror.example", "ftp://x/", "http://x/?a", "http://x/#a", ""])
    expect(() => parseBaseUrl(text, "public-url")).toThrow(/--public-url/);
});

test("state lies where it is told, else below the home of states", () => {
  expect(stateDirectoryOf("/dest", parse("/dest", "--state", "/my/state"), contextOf())).toBe("/my/state");
  const fromHome = stateDirectoryOf("/dest", parse("/dest"), contextOf({ PRSYNC_STATE_HOME: "/states" }));
  expect(fromHome).toMatch(/^\/states\/.*dest/);
});

test("work lies beside TREE unless told", () => {
  expect(workDirectoryOf("/srv/tree/", parse("/srv/tree/"))).toBe("/srv/tree.prsync");
  expect(workDirectoryOf("/srv/tree", parse("/srv/tree", "--work", "/fast/work"))).toBe("/fast/work");
});

test("a quota is told with what fills it, and is a selection", () => {
  expect(selectionSettings(parse("/dest", "--quota=2G", "--newest"))).toMatchObject({ quotaBytes: 2 ** 31 });
  for (const words of [
    ["--quota=2G"],
    ["--newest"],
    ["--quota=2G", "--newest", "--everything"],
    ["--quota=0.4", "--newest"],
  ])
    expect(() => selectionSettings(parse("/dest", ...words))).toThrow(UsageError);
});

test("a volatile volunteer tells its quota, and nothing else what it takes of the newest", () => {
  const words = ["--role=volatile", "--quota=2G"];
  expect(selectionSettings(parse("/dest", ...words))).toMatchObject({ quotaBytes: 2 ** 31, role: "volatile" });
  const refusal =
    (...further: string[]) =>
    () =>
      selectionSettings(parse("/dest", "--role=volatile", ...further));
  expect(refusal()).toThrow("--role volatile needs --quota");
  expect(refusal("--quota=2G", "--newest")).toThrow("--role volatile and --newest contradict each other");
  expect(refusal("--quota=2G", "--everything")).toThrow("--everything contradicts");
  expect(() => parse("/dest", "--role=eternal", "--quota=2G")).toThrow(/role.*volatile/);
});
