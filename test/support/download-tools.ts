import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "puppeteer-core";
import type { PackageRepository } from "./package-repositories.ts";
import { run } from "./program.ts";
import { DEBIAN_PYTHON } from "./stock-client.ts";

/** What the tools are to fetch. */
export interface DownloadScene {
  /** Base URL of central. */
  readonly url: string;
  /** A plain file of the tree for this tool alone: a path without anything to be escaped. */
  readonly path: string;
  readonly debian: PackageRepository;
  /** Holds the key that signed `debian`. */
  readonly keyring: string;
  readonly rpm: PackageRepository;
  readonly pacman: PackageRepository;
}

/** A program that people fetch files with, as Debian 12 carries it. */
export interface DownloadTool {
  readonly name: string;
  readonly command: string;
  /** Fetches into an empty directory. Resolves to where files of the tree lie there if that is not their own name. */
  readonly fetch: (scene: DownloadScene, directory: string) => Promise<void>;
  /** Files of the tree that lie in the directory afterwards by their own names: a pattern of their paths, by default the scene's path. */
  readonly fetched?: RegExp;
}

const CHROMIUM = "/usr/bin/chromium";
/** Of central, of the mirrors and of what stands before one. */
const LOOPBACK_HOSTS = [1, 2, 3, 4].map((last) => `127.0.0.${last}`);
/** Below the time that a test may take. */
const BROWSER_DEADLINE_MS = 60_000;
/** Central and the mirrors are loopback: a proxy of the machine must not stand between. */
const PROXY_VARIABLES = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"].flatMap((name) => [
  name,
  name.toUpperCase(),
]);

export const DOWNLOAD_TOOLS: readonly DownloadTool[] = [
  plainTool("curl", (url) => ["-fsSLO", url]),
  plainTool("wget", (url) => ["-q", url]),
  plainTool("aria2c", (url) => ["--no-conf", "-q", url]),
  plainTool("axel", (url) => ["-q", "-n", "4", url]),
  plainTool("lftp", (url) => ["-c", `pget -n 3 ${url}`]),
  plainTool("lwp-download", (url) => [url]),
  {
    name: "Python urllib",
    command: DEBIAN_PYTHON,
    fetch: async ({ url, path }, directory) => {
      const script = "import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])";
      await runTool(DEBIAN_PYTHON, ["-c", script, `${url}/${path}`, join(directory, basename(path))]);
    },
  },
  { name: "Chromium", command: CHROMIUM, fetch: downloadInBrowser },
  { name: "apt-get", command: "/usr/bin/apt-get", fetch: installWithApt, fetched: /\.deb$/ },
  { name: "dnf", command: "/usr/bin/dnf", fetch: installWithDnf, fetched: /\.rpm$/ },
  { name: "zypper", command: "/usr/bin/zypper", fetch: installWithZypper, fetched: /\.rpm$/ },
  { name: "pacman", command: "/usr/bin/pacman", fetch: installWithPacman, fetched: /\.pkg\.tar\.zst$/ },
];

/** Runs a program without the proxies that the environment names. */
export async function runTool(command: string, words: readonly string[]): Promise<void> {
  await run("env", [...PROXY_VARIABLES.flatMap((name) => ["-u", name]), command, ...words]);
}

function plainTool(name: string, words: (url: string) => readonly string[]): DownloadTool {
  return {
    name,
    command: `/usr/bin/${name}`,
    fetch: async ({ url, path }, directory) => {
      const call = [name, ...words(`${url}/${path}`)];
      await runTool("sh", ["-c", 'cd "$0" && exec "$@"', directory, ...call]);
    },
  };
}

async function downloadInBrowser({ url, path }: DownloadScene, directory: string): Promise<void> {
  // As root Chromium starts without its sandbox only; it sees nothing but our own servers.
  const browser = await launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"],
  });
  try {
    const page = await browser.newPage();
    const session = await browser.target().createCDPSession();
    await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: directory });
    await page.setContent(`<a href="${url}/${path}">download</a>`);
    await page.click("a");
    const deadlineMs = performance.now() + BROWSER_DEADLINE_MS;
    while (!existsSync(join(directory, basename(path)))) {
      if (performance.now() > deadlineMs)
        throw new Error(`Chromium did not save ${path} within ${BROWSER_DEADLINE_MS} ms`);
      await sleep(50);
    }
  } finally {
    await browser.close();
  }
}

/** With lists, cache and state of its own, so that it neither knows nor changes anything of the system. */
async function installWithApt({ url, debian, keyring }: DownloadScene, directory: string): Promise<void> {
  for (const name of ["state/lists/partial", "cache/archives/partial"])
    mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, "sources.list"), `deb [signed-by=${keyring}] ${url}/${debian.path} stable main\n`);
  writeFileSync(join(directory, "status"), "");
  const settings = {
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": join(directory, "state"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache"),
    "APT::Sandbox::User": "root",
    // What the system's configuration says of proxies is not for these hosts.
    ...Object.fromEntries(LOOPBACK_HOSTS.map((host) => [`Acquire::http::Proxy::${host}`, "DIRECT"])),
  };
  const words = ["-qq", "-y", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
  await runTool("apt-get", [...words, "--error-on=any", "update"]);
  await runTool("apt-get", [...words, "install", "--download-only", ...debian.packages]);
}

/** By the metalink of its index, as Fedora's mirrors are used: packages come from mirrors that central is not asked for again. */
async function installWithDnf({ url, rpm }: DownloadScene, directory: string): Promise<void> {
  const configuration = join(directory, "dnf.conf");
  const own = Object.entries({ cachedir: "cache", persistdir: "state", logdir: "log", reposdir: "none" });
  const main = own.map(([key, name]) => `${key}=${join(directory, name)}\n`).join("");
  const metalink = `${url}/${rpm.path}/repodata/repomd.xml.metalink`;
  writeFileSync(configuration, `[main]\n${main}plugins=0\ngpgcheck=0\n[test]\nname=test\nmetalink=${metalink}\n`);
  const words = ["-c", configuration, "--installroot", join(directory, "root"), "--releasever", "1", "-q", "-y"];
  await runTool("dnf", [
    ...words,
    "install",
    "--downloadonly",
    "--downloaddir",
    join(directory, "got"),
    ...rpm.packages,
  ]);
}

async function installWithZypper({ url, rpm }: DownloadScene, directory: string): Promise<void> {
  const zypper = ["--quiet", "--non-interactive", "--no-gpg-checks", "--root", join(directory, "root")];
  await runTool("zypper", [...zypper, "addrepo", `${url}/${rpm.path}`, "test"]);
  const cache = ["--pkg-cache-dir", join(directory, "cache")];
  await runTool("zypper", [...zypper, ...cache, "install", "--download-only", ...rpm.packages]);
}

async function installWithPacman({ url, pacman }: DownloadScene, directory: string): Promise<void> {
  const configuration = join(directory, "pacman.conf");
  const own = ["root", "db", "cache"].map((name) => join(directory, name));
  for (const name of own) mkdirSync(name);
  const server = `${url}/${pacman.path}`;
  writeFileSync(configuration, `[options]\nArchitecture=auto\nSigLevel=Never\n[extra]\nServer=${server}\n`);
  const [root, database, cache] = own as [string, string, string];
  const places = ["--config", configuration, "--root", root, "--dbpath", database, "--cachedir", cache];
  const words = [...places, "--logfile", "/dev/null", "--noconfirm", "--noprogressbar"];
  await runTool("pacman", [...words, "-Sy"]);
  await runTool("pacman", [...words, "-Sw", ...pacman.packages]);
}
