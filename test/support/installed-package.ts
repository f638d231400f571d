import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const CHECKOUT = resolve(import.meta.dirname, "../..");

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}

/**
 * What `npm install --global --prefix PREFIX` makes of this package, without a registry: what `npm pack` packs, and inside it the packages
 * that it needs at run time, as they are in the checkout. Needs a built checkout.
 * @returns the directory that goes into PATH
 */
export function installPackage(prefix: string): string {
  const home = join(prefix, "lib/node_modules/prsync");
  const bin = join(prefix, "bin");
  for (const directory of [home, bin]) mkdirSync(directory, { recursive: true });
  // Building is what the test run did already.
  const words = ["pack", "--ignore-scripts", "--silent", "--pack-destination", prefix];
  const packed = execFileSync("npm", words, { cwd: CHECKOUT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  execFileSync("tar", ["-xzf", join(prefix, packed.trim()), "-C", home, "--strip-components=1"]);
  for (const path of packagesAtRunTime()) copyPackage(path, home);
  symlinkSync("../lib/node_modules/prsync/bin/prsync.cjs", join(bin, "prsync"));
  // A machine has some Node in cron's PATH; the package brings the right one along.
  if (!existsSync("/usr/bin/node")) symlinkSync(process.execPath, join(bin, "node"));
  return bin;
}

/** "node_modules/NAME" of the lock file, those of other platforms left out. */
function packagesAtRunTime(): string[] {
  const lock = JSON.parse(readFileSync(join(CHECKOUT, "package-lock.json"), "utf8")) as LockFile;
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== "" && dev !== true && devOptional !== true)
    .map(([path]) => path)
    .filter((path) => existsSync(join(CHECKOUT, path)));
}

/** One inside another was copied with it. */
function copyPackage(path: string, home: string): void {
  const to = join(home, path);
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  execFileSync("cp", ["-a", "--reflink=auto", join(CHECKOUT, path), to]);
}
