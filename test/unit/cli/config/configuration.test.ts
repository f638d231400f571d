import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { parseArguments, type ParsedArguments } from "../../../../src/cli/arguments.ts";
import type { Command } from "../../../../src/cli/command.ts";
import { loadCommands } from "../../../../src/cli/commands.ts";
import { ConfigError } from "../../../../src/cli/config/config-error.ts";
import { configDirectories, configure } from "../../../../src/cli/config/configuration.ts";

const COMMANDS = await loadCommands();

let home: string;
let system: string;

beforeEach(() => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "prsync-config-")));
  onTestFinished(() => rmSync(root, { recursive: true }));
  [home, system] = [join(root, "home"), join(root, "etc")];
});

const DEBIAN = `[mirror.debian]\ndest = "/srv/debian"\n`;

function write(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

/** The words of `line` with what the files in `home` and `system` say. */
function read(line: string, env: Readonly<Record<string, string>> = {}): ParsedArguments {
  const [name, ...words] = line.split(" ");
  const command: Command = COMMANDS.find((candidate) => candidate.name === name)!;
  return configure(parseArguments(words, command), command, { commands: COMMANDS, directories: [home, system], env });
}

function problems(line: string): readonly string[] {
  try {
    read(line);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("a name stands for its directory, ticket and options, each command takes those it knows", () => {
  write(
    join(system, "debian.toml"),
    `${DEBIAN}ticket = "@/etc/t"\ndelete = true\ninterval = "2h"\npeer-port = 7392\nstate = "/var/s"\nmax-size = "2G"\nbwlimit = 500\n`,
  );
  const sync = read("sync debian");
  expect([sync.positional("TICKET"), sync.required("DEST")]).toEqual(["@/etc/t", "/srv/debian"]);
  expect([sync.flag("delete"), sync.number("peer-port"), sync.text("state")]).toEqual([true, 7392, "/var/s"]);
  expect([sync.number("max-size"), sync.text("bwlimit"), sync.isGiven("interval")]).toEqual([2 ** 31, "500", false]);
  const daemon = read("daemon debian");
  expect([daemon.number("interval"), daemon.isGiven("delete")]).toEqual([7_200_000, false]);
  const verify = read("verify debian --repair");
  expect([verify.required("DEST"), verify.text("state"), verify.flag("repair")]).toEqual([
    "/srv/debian",
    "/var/s",
    true,
  ]);
  expect(read("status debian").required("WHERE")).toBe("/srv/debian");
});

test("the line comes before the environment, the environment before the file", () => {
  write(join(system, "debian.toml"), `${DEBIAN}ticket = "from-file"\nbwlimit = "1M"\nmax-delete = 5\ndelete = true\n`);
  const plain = read("sync debian");
  expect([plain.positional("TICKET"), plain.isTyped("bwlimit")]).toEqual(["from-file", false]);
  expect(read("sync debian", { PRSYNC_TICKET: "x" }).positional("TICKET")).toBeUndefined();
  expect(read("sync typed debian", { PRSYNC_TICKET: "x" }).positional("TICKET")).toBe("typed");
  const typed = read("sync debian --bwlimit 2M");
  expect([typed.text("bwlimit"), typed.number("max-delete"), typed.isTyped("bwlimit")]).toEqual(["2M", 5, true]);
  const withdrawn = read("sync debian --no-delete --no-bwlimit");
  expect([withdrawn.flag("delete"), withdrawn.isGiven("bwlimit"), withdrawn.number("max-delete")]).toEqual([
    false,
    false,
    5,
  ]);
  expect(read("sync debian --no-config").required("DEST")).toBe("debian");
});

test("rules of the line replace those of the file as a whole, their order stays", () => {
  write(
    join(system, "debian.toml"),
    `last = "/x"\nmax-size = "1M"\n${DEBIAN}filter = ["+ /a", "- *"]\nchmod = "D755"\n`,
  );
  const named = read("sync debian").rules.map(({ name, value }) => `${name} ${value}`);
  expect(named.toSorted()).toEqual(["chmod D755", "filter + /a", "filter - *", "last /x"]);
  expect(named.filter((rule) => rule.startsWith("filter"))).toEqual(["filter + /a", "filter - *"]);
  // The table selects, so what the file selects for all does not hold.
  expect(read("sync debian").isGiven("max-size")).toBe(false);
  const typed = read("sync debian --exclude=*.iso --last /y");
  expect(typed.rules).toEqual([
    { name: "chmod", value: "D755" },
    { name: "exclude", value: "*.iso" },
    { name: "last", value: "/y" },
  ]);
  expect(read("sync debian --everything").rules.some(({ name }) => name === "filter")).toBe(false);
});

test("keys above the tables hold for all of the file, a table says otherwise", () => {
  write(
    join(system, "all.toml"),
    `quiet = true\ninterval = "1h"\n${DEBIAN}[mirror.other]\ndest = "/srv/other"\nquiet = false\n`,
  );
  write(join(system, "more.toml"), `[mirror.third]\ndest = "/srv/third"\n`);
  expect(["debian", "other", "third"].map((name) => read(`sync ${name}`).flag("quiet"))).toEqual([true, false, false]);
});

test("a tree has the options of publish and serve", () => {
  const text = `[tree.debian]\ntree = "/srv/tree"\nswarm-size = "1M"\nwork = "/srv/work"\nlisten = ":80"\nowners = true\n`;
  write(join(system, "central.toml"), text);
  expect(read("publish debian").number("swarm-size")).toBe(2 ** 20);
  expect(read("publish debian --no-owners").flag("owners")).toBe(false);
  const serve = read("serve debian");
  expect([serve.required("TREE"), serve.text("listen"), serve.text("work")]).toEqual(["/srv/tree", ":80", "/srv/work"]);
  const { options } = COMMANDS.find(({ name }) => name === "publish")!;
  expect(serve.configured!.wordsFor(options)).toEqual(["--swarm-size=1M", "--owners", "--work=/srv/work"]);
  expect(read("invite debian name").required("TREE")).toBe("/srv/tree");
});

test("a word with a slash is a directory, whatever files say", () => {
  write(join(system, "broken.toml"), "[mirror");
  for (const word of ["./debian", "/srv/debian", "srv/debian"])
    expect(read(`sync ${word}`).required("DEST")).toBe(word);
});

test("a user's files come before the system's, as whole tables", () => {
  write(join(system, "debian.toml"), `${DEBIAN}delete = true\n`);
  write(join(home, "mine.toml"), `[mirror.debian]\ndest = "/home/debian"\n`);
  const args = read("sync debian");
  expect([args.required("DEST"), args.flag("delete")]).toEqual(["/home/debian", false]);
  expect(configDirectories({ XDG_CONFIG_HOME: "/xdg" }, "/home/me")).toEqual(["/xdg/prsync", "/etc/prsync"]);
  expect(configDirectories({ XDG_CONFIG_HOME: "relative" }, "/home/me")).toEqual([
    "/home/me/.config/prsync",
    "/etc/prsync",
  ]);
});

test("one name in two files, or of a mirror and a tree, is not guessed", () => {
  write(join(system, "a.toml"), DEBIAN);
  write(join(system, "b.toml"), `[tree.debian]\ntree = "/srv/tree"\n`);
  expect(read("sync debian").required("DEST")).toBe("/srv/debian");
  expect(problems("status debian")).toEqual([expect.stringContaining("can't know which is meant")]);
  write(join(system, "c.toml"), DEBIAN);
  expect(problems("sync debian")).toEqual([expect.stringMatching(/a\.toml and \[mirror.debian\] of .*c\.toml/)]);
});

test("every problem is told at once: file, line, key, why, what to do", () => {
  const path = write(
    join(system, "bad.toml"),
    `bwlimt = 5
dest = "/x"
[mirrors.x]
[tree]
debian = 5
[mirror."a b"]
dest = "/srv/ab"
[mirror.debian]
ticket = "@debian.ticket"
bwlimit = "fast"
delete = "yes"
dry-run = true
compress = true
include = "/a"
exclude = ["b", ""]
log-file = "prsync.log"
delta-size = "64K"
linger = "forever"
interval = 1979-05-27
`,
  );
  const told = problems("sync debian").map((problem) => problem.slice(path.length));
  expect(told).toEqual([
    ":1: bwlimt: unknown key; did you mean bwlimit?",
    ":2: dest: belongs into a table like [mirror.NAME]",
    ":3: mirrors: unknown table; tables are [mirror.NAME] and [tree.NAME]",
    expect.stringMatching(/^:6: \[mirror\."a b"\]: a name has letters/),
    ":5: tree.debian: expected a table like [tree.NAME], got 5",
    ':8: mirror.debian lacks dest: write dest = "/srv/…"',
    expect.stringMatching(/^:9: mirror\.debian\.ticket: expected a path that begins with \//),
    expect.stringMatching(/^:10: mirror\.debian\.bwlimit: expected a size/),
    ':11: mirror.debian.delete: expected true or false, got "yes"',
    ":12: mirror.debian.dry-run: asks for something once: it belongs on the command line, as --dry-run",
    ":13: mirror.debian.compress: contents travel as they are, most of them compressed already; leave it out",
    ':15: mirror.debian.exclude: expected PATTERN as text in quotes, or a list of them, got ""',
    expect.stringMatching(/^:16: mirror\.debian\.log-file: expected a path that begins with \//),
    ':17: mirror.debian.delta-size: expected one of sqrt, swarm, off, got "64K"',
    expect.stringMatching(/^:18: mirror\.debian\.linger: expected a time like 15m/),
    ":19: mirror.debian.interval: expected 4h as text in quotes, got a date",
    expect.stringMatching(/^:15: mirror\.debian\.exclude: the order of include and exclude would decide/),
  ]);
});

test("what is no TOML is told with its line, and no name is looked for behind it", () => {
  const path = write(join(home, "broken.toml"), `[mirror.debian]\ndest = "/srv/debian\n`);
  write(join(system, "debian.toml"), DEBIAN);
  expect(problems("sync debian")).toEqual([
    expect.stringMatching(new RegExp(`^${path}:2: no TOML: \\S`)),
    '"debian" may be a name in there; if it is a directory, write ./debian',
  ]);
  // The name was found before anybody needed the broken one.
  write(join(home, "good.toml"), `[mirror.debian]\ndest = "/home/debian"\n`);
  expect(read("sync debian").required("DEST")).toBe("/home/debian");
});

test("a file of another mirror may be wrong, and no file needs to be there", () => {
  expect(read("sync debian").required("DEST")).toBe("debian");
  write(join(system, "debian.toml"), DEBIAN);
  write(join(system, "ubuntu.toml"), `[mirror.ubuntu]\ndst = "/srv/ubuntu"\n`);
  write(join(system, ".hidden.toml"), "[");
  write(join(system, "notes.txt"), "[");
  expect(read("sync debian").required("DEST")).toBe("/srv/debian");
});

test("a name that is nearly one, or one of another kind, is told", () => {
  write(join(system, "debian.toml"), DEBIAN);
  expect(problems("sync debain")).toEqual([
    'no configuration file names "debain"; did you mean debian? If it is a directory, write ./debain',
  ]);
  expect(problems("serve debian")).toEqual([
    expect.stringMatching(/^"debian" is a mirror \(.*\); prsync serve takes a tree$/),
  ]);
  expect(problems("sync elsewhere")).toEqual([]);
});

test("a name that is a directory here, too, is not guessed", () => {
  write(join(system, "docs.toml"), `[mirror.docs]\ndest = "/srv/docs"\n[mirror.src]\ndest = "${process.cwd()}/src"\n`);
  expect(problems("sync docs")).toEqual([expect.stringContaining("write ./docs for the directory")]);
  expect(read("sync src").required("DEST")).toBe(`${process.cwd()}/src`);
});

test("a file that others may write to, or replace, is refused", () => {
  const path = write(join(system, "debian.toml"), DEBIAN);
  chmodSync(path, 0o664);
  expect(problems("sync debian")).toEqual([
    `${path}: others may write to it (mode 664), and it may name commands to run; run chmod go-w ${path}`,
  ]);
  chmodSync(path, 0o644);
  chmodSync(system, 0o777);
  expect(problems("sync debian")).toEqual([expect.stringContaining(`${system}: others may write to it (mode 777)`)]);
  // Nobody can rename another's file in /tmp.
  chmodSync(system, 0o1777);
  expect(problems("sync debian")).toEqual([]);
});

test("a link is followed, and the directory behind it counts as well", () => {
  const target = write(join(home, "..", "elsewhere", "debian.toml"), DEBIAN);
  mkdirSync(system);
  symlinkSync(target, join(system, "debian.toml"));
  expect(read("sync debian").required("DEST")).toBe("/srv/debian");
  chmodSync(dirname(target), 0o775);
  expect(problems("sync debian")).toEqual([expect.stringContaining("others may write to it (mode 775)")]);
});

test.runIf(process.geteuid!() === 0)("a file of another user is refused", () => {
  const path = write(join(system, "debian.toml"), DEBIAN);
  chownSync(path, 12_345, 0);
  expect(problems("sync debian")).toEqual([expect.stringContaining(`${path}: belongs to user 12345`)]);
});

test("--config looks in that file alone and wants a name of it", () => {
  write(join(system, "debian.toml"), DEBIAN);
  const path = write(
    join(home, "..", "own", "mine.toml"),
    `[mirror.mine]\ndest = "/srv/mine"\n[tree.t]\ntree = "/srv/t"\n`,
  );
  expect(read(`sync mine --config ${path}`).required("DEST")).toBe("/srv/mine");
  for (const word of ["debian", "/srv/mine", "./mine"]) {
    expect(problems(`sync ${word} --config ${path}`)).toEqual([
      `"${word}" is no mirror of ${path}: it has mine; with --config a name of that file is needed`,
    ]);
  }
  expect(problems("sync mine --config /no/such.toml")).toEqual(["/no/such.toml: does not exist or can't be read"]);
});

test("no text makes anything but a list of problems", () => {
  const path = join(system, "any.toml");
  write(path, "");
  const key = fc.oneof(fc.string(), fc.constantFrom("mirror", "tree", "dest", "ticket", "delete", "filter", "bwlimit"));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(key, tie("value"), { maxKeys: 5 }),
    value: fc.oneof(
      { depthSize: "small" },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 3 }),
      tie("tree"),
    ),
  }));
  const file = fc.oneof(
    fc.string(),
    tree.map((value) => stringify(value)),
    tree.map((value) => stringify({ mirror: { debian: value } })),
  );
  fc.assert(
    fc.property(file, (text) => {
      writeFileSync(path, text);
      for (const problem of problems(`sync debian --config ${path}`)) expect(problem).toContain(path);
    }),
    { numRuns: 100 },
  );
});
