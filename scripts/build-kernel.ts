// Compiles kernel/*.ts (AssemblyScript) into dist/kernel/match-search.wasm, unless that is newer than its sources.
// Part of `npm run build`; the tests do it too (vitest.config.ts), so that none runs without or with an old one.
import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const sources = join(root, "kernel");
const output = join(root, "dist/kernel/match-search.wasm");
const OPTIONS = ["-O3", "--noAssert", "--converge", "--enable", "simd", "--runtime", "stub", "--initialMemory", "1"];

/** Builds if needed. @throws Error with the compiler's words */
export async function buildKernel(): Promise<void> {
  if (!isStale()) return;
  // Only now: loading the compiler takes longer than looking.
  const { main } = await import("assemblyscript/asc");
  const written = new Map<string, Uint8Array>();
  const entry = relative(root, join(sources, "match-search.ts"));
  const words: string[] = [];
  const { error } = await main([entry, "--baseDir", root, "--outFile", "kernel.wasm", ...OPTIONS], {
    stderr: { write: (text: string | Uint8Array) => void words.push(Buffer.from(text).toString()) },
    writeFile: (name: string, contents: string | Uint8Array) => void written.set(name, Buffer.from(contents)),
  });
  if (error !== null) throw new Error(`the search kernel was not compiled: ${error.message}\n${words.join("")}`);
  mkdirSync(join(root, "dist/kernel"), { recursive: true });
  // Whole or not at all: others may read the old one.
  writeFileSync(`${output}.${process.pid}`, written.get("kernel.wasm")!);
  renameSync(`${output}.${process.pid}`, output);
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

if (import.meta.main) await buildKernel();
