// Compiles kernel/*.ts (AssemblyScript) into dist/kernel/match-search.wasm, unless that is newer than its sources.
// Part of `npm run build`; the tests do it too (vitest.config.ts), so that none runs without or with an old one.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(import.meta.dirname, "..");
const sources = join(root, "kernel");
const output = join(root, "dist/kernel/match-search.wasm");
const OPTIONS = ["-O3", "--noAssert", "--converge", "--enable", "simd", "--runtime", "stub", "--initialMemory", "1"];

/** Builds if needed. @throws Error if the compiler, whose words go to standard error, fails */
export function buildKernel(): void {
  if (!isStale()) return;
  mkdirSync(join(root, "dist/kernel"), { recursive: true });
  // Whole or not at all: others may read the old one.
  const unfinished = `${output}.${process.pid}`;
  // As a program of its own: the types of its API declare globals that would replace those of this project.
  const compiler = fileURLToPath(new URL("../bin/asc.js", import.meta.resolve("assemblyscript/asc")));
  const entry = relative(root, join(sources, "match-search.ts"));
  execFileSync(process.execPath, [compiler, entry, "--baseDir", root, "--outFile", unfinished, ...OPTIONS], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  renameSync(unfinished, output);
}

function isStale(): boolean {
  const built = statSync(output, { throwIfNoEntry: false });
  if (built === undefined) return true;
  const inputs = [
    import.meta.filename,
    ...readdirSync(sources)
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(sources, name)),
  ];
  return inputs.some((file) => statSync(file).mtimeMs > built.mtimeMs);
}

if (import.meta.main) buildKernel();
