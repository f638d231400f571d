import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Packages that an installed prsync brings along: real files, a thousand and more, most of them small. */
const PACKAGES = ["zod", "fastify", "tuf-js", "bittorrent-protocol", "xxhash-wasm"] as const;
const IMAGE_BYTES = 8 * 2 ** 20;

/** What the second release does to the first, in words, one line each. */
export const CHANGES: readonly string[] = [
  "images/node-a.img: 1,200 bytes in its middle replaced by 2,000 others",
  "packages/fastify/ renamed to packages/web-framework/",
  "images/node-b.img copied to images/stable/node.img",
  "packages/tuf-js/ deleted",
  "images/node-c.img is new",
];

/**
 * Fills `tree` with real files: this program, the packages it uses, and parts of the Node program that runs it (each
 * {@link IMAGE_BYTES} long) in place of disc images. About 30 MB.
 */
export function makeFirstTree(tree: string): void {
  const root = packageRoot(fileURLToPath(import.meta.url), "prsync");
  for (const name of ["README.md", "docs", "dist/src"]) copyFiles(join(root, name), join(tree, "prsync", name));
  for (const name of PACKAGES) {
    const from = packageRoot(fileURLToPath(import.meta.resolve(name)), name);
    copyFiles(from, join(tree, "packages", name));
  }
  mkdirSync(join(tree, "images"));
  writeFileSync(join(tree, "images/node-a.img"), nodeProgramPart(0));
  writeFileSync(join(tree, "images/node-b.img"), nodeProgramPart(1));
}

/** Makes of the first tree what {@link CHANGES} says. */
export function makeSecondTree(tree: string): void {
  const image = join(tree, "images/node-a.img");
  const bytes = readFileSync(image);
  const middle = bytes.length >> 1;
  const others = nodeProgramPart(3).subarray(0, 2_000);
  writeFileSync(image, Buffer.concat([bytes.subarray(0, middle), others, bytes.subarray(middle + 1_200)]));
  renameSync(join(tree, "packages/fastify"), join(tree, "packages/web-framework"));
  mkdirSync(join(tree, "images/stable"));
  cpSync(join(tree, "images/node-b.img"), join(tree, "images/stable/node.img"));
  rmSync(join(tree, "packages/tuf-js"), { recursive: true });
  writeFileSync(join(tree, "images/node-c.img"), nodeProgramPart(2).subarray(0, IMAGE_BYTES / 2));
}

/** The directory at or above `path` whose package.json bears `name`. @throws Error if there is none */
function packageRoot(path: string, name: string): string {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const manifest = join(directory, "package.json");
    if (existsSync(manifest) && nameIn(manifest) === name) return directory;
    if (directory === dirname(directory)) throw new Error(`no package "${name}" at or above "${path}"`);
  }
}

function nameIn(manifestPath: string): unknown {
  const manifest: unknown = JSON.parse(readFileSync(manifestPath, "utf8"));
  return typeof manifest === "object" && manifest !== null && "name" in manifest ? manifest.name : undefined;
}

/** Left out: packages inside packages, so that the size does not hang on how npm laid them out. */
function copyFiles(from: string, to: string): void {
  if (!existsSync(from)) return;
  cpSync(from, to, { recursive: true, filter: (path) => !path.slice(from.length).includes(`${sep}node_modules`) });
}

/** Program code is like what disc images hold: it neither repeats nor is random. */
function nodeProgramPart(index: number): Buffer {
  const file = openSync(process.execPath, "r");
  try {
    const bytes = Buffer.alloc(IMAGE_BYTES);
    return bytes.subarray(0, readSync(file, bytes, 0, IMAGE_BYTES, index * IMAGE_BYTES));
  } finally {
    closeSync(file);
  }
}
