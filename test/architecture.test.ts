import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

// The import rule of the house: a folder imports only from earlier rows, folders of one row not from each other.
const ROWS: readonly (readonly string[])[] = [
  ["core"],
  ["codec", "model"],
  ["delta", "manifest", "trust", "filter"],
  ["plan", "swarm", "tracker", "delivery", "report"],
  ["store", "net"],
  ["publisher", "edge", "central"],
  ["sim", "analyze"],
  ["cli"],
];
const PURE_ROWS = 4;
/** Pure, too, though it stands late because it imports from many rows. */
const PURE_FOLDER = "analyze";
const IMPURE_MODULES =
  /^(node:(fs|fs\/promises|net|http|https|dgram|sqlite|worker_threads|child_process|tls|dns)|tuf-js|fastify|@parcel\/watcher|bittorrent-protocol)$/;
const IMPURE_CALLS = /\bDate\.now\(|\bMath\.random\(|\bsetTimeout\(|\bsetInterval\(|\bprocess\.(env|argv)\b/;
const MAX_LINES = 400;

const root = resolve(import.meta.dirname, "..");
const sources = listSources(join(root, "src"));

test("a folder imports only from earlier rows", () => {
  expect(
    sources.flatMap((file) =>
      importsOf(file)
        .filter((target) => !isAllowed(file, target))
        .map((target) => `${name(file)} → ${name(target)}`),
    ),
  ).toEqual([]);
});

test("the pure folders use neither I/O nor the real clock", () => {
  const pure = sources.filter(
    (file) => folderOf(file) === PURE_FOLDER || (rowOf(file) >= 0 && rowOf(file) < PURE_ROWS),
  );
  const offences = pure.flatMap((file) => [
    ...modulesOf(file)
      .filter((module) => IMPURE_MODULES.test(module))
      .map((module) => `${name(file)} imports ${module}`),
    ...(IMPURE_CALLS.test(withoutComments(file)) ? [`${name(file)} calls the real clock, random or process`] : []),
  ]);
  expect(offences).toEqual([]);
});

test("only the command line reads the environment and the arguments", () => {
  const readers = sources.filter(
    (file) => folderOf(file) !== "cli" && /\bprocess\.(env|argv)\b/.test(withoutComments(file)),
  );
  expect(readers.map(name)).toEqual([]);
});

test("imports have no cycles", () => {
  expect(findCycle()).toBeUndefined();
});

test("no file is longer than the cap, no folder is a drawer", () => {
  expect(sources.filter((file) => readFileSync(file, "utf8").split("\n").length > MAX_LINES + 1).map(name)).toEqual([]);
  expect(sources.map(name).filter((path) => /\/(utils|helpers|common)\/|\/types\.ts$/.test(path))).toEqual([]);
});

test("every error code is in docs/errors.md", () => {
  const documented = readFileSync(join(root, "docs/errors.md"), "utf8");
  const unions = sources
    .filter((file) => file.endsWith("/errors.ts"))
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/export type \w+ErrorCode =([^;]*);/g)]);
  const codes = unions.flatMap((union) => [...union[1]!.matchAll(/"([^"]+)"/g)].map((match) => match[1]!));
  expect(codes.length).toBeGreaterThan(10);
  expect([...new Set(codes)].filter((code) => !documented.includes(`\`${code}\``))).toEqual([]);
});

function isAllowed(from: string, to: string): boolean {
  if (folderOf(from) === "" || folderOf(from) === folderOf(to)) return true;
  return rowOf(to) < rowOf(from);
}

function findCycle(): readonly string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].map(name);
    if (done.has(file)) return undefined;
    path.push(file);
    for (const target of importsOf(file)) {
      const cycle = visit(target);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  return sources.map(visit).find((cycle) => cycle !== undefined);
}

function modulesOf(file: string): string[] {
  const text = withoutComments(file);
  return [...text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g)].map(
    (match) => (match[1] ?? match[2])!,
  );
}

function importsOf(file: string): string[] {
  return modulesOf(file)
    .filter((module) => module.startsWith("."))
    .map((module) => resolve(dirname(file), module));
}

function withoutComments(file: string): string {
  return readFileSync(file, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
}

function folderOf(file: string): string {
  const parts = name(file).split("/");
  return parts.length > 2 ? parts[1]! : "";
}

function rowOf(file: string): number {
  return ROWS.findIndex((row) => row.includes(folderOf(file)));
}

function name(file: string): string {
  return relative(root, file);
}

function listSources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
