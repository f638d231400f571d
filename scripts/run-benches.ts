// Runs the benches that are named, or lists them: `npm run bench -- delta one-link`. Each prints one table and writes
// bench/results/NAME.json.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const directory = new URL("../bench/", import.meta.url);
const known = readdirSync(directory)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -".ts".length));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !known.includes(name));

if (wanted.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`no bench is called "${name}"`);
  console.log(`benches: ${known.join(", ")}`);
  process.exitCode = unknown.length > 0 ? 1 : 0;
}
for (const name of unknown.length > 0 ? [] : wanted) {
  const { status } = spawnSync(process.execPath, [new URL(`${name}.ts`, directory).pathname], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
