import { seededRandom, type Random } from "../../src/core/clock.ts";

/** A log of the PRsync paper's shape, in small: who asks for what, when. */
export interface LogShape {
  readonly lines: number;
  readonly seed: number;
  /** Files that exist; each appears at a random time of the log, a fifth of them before it. */
  readonly files: number;
  readonly clients: number;
  readonly days: number;
}

interface LoggedFile {
  readonly path: string;
  readonly bytes: number;
  readonly appears: number;
}

const BEGIN = Date.UTC(2026, 4, 4) / 1000;
const DAY = 86_400;
/** Of the files, and mean bytes: mostly small, images few and large. */
const KINDS = [
  { share: 0.004, mean: 60e6, path: (n: number) => `/images/release-${n}.iso` },
  { share: 0.7, mean: 700e3, path: (n: number) => `/pool/main/p${n % 997}/package-${n}_1.0+b${n % 9}_amd64.deb` },
  { share: 0.15, mean: 900e3, path: (n: number) => `/pool/main/p${n % 997}/package-${n}.orig.tar.xz` },
  { share: 0.146, mean: 40e3, path: (n: number) => `/dists/suite-${n % 40}/main/binary-${n}/Packages.xz` },
] as const;
const AGENTS = [
  "Debian APT-HTTP/1.3 (2.6.1)",
  "curl/8.5.0",
  "Wget/1.21.3",
  "dnf/4.18.2",
  "libdnf (Fedora Linux 40; workstation; Linux.x86_64)",
  "pacman/6.1.0 (Linux x86_64) libalpm/14.0.0",
  "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Lines of a combined log in order of time, each with its end. */
export function* accessLog(shape: LogShape): Generator<string> {
  const random = seededRandom(shape.seed);
  const files = drawFiles(shape, random);
  const spacing = (shape.days * DAY) / shape.lines;
  for (let index = 0; index < shape.lines; index++) {
    const time = Math.floor(BEGIN + index * spacing);
    yield `${requestLine(time, { file: drawFile(files, { time, random }), client: drawClient(shape, random), random })}\n`;
  }
}

function drawFiles({ files, days }: LogShape, random: Random): LoggedFile[] {
  return Array.from({ length: files }, (_, n) => {
    let at = random();
    const kind = KINDS.find(({ share }) => (at -= share) < 0) ?? KINDS[1];
    const bytes = Math.max(1, Math.round(-Math.log(1 - random()) * kind.mean));
    return { path: kind.path(n), bytes, appears: BEGIN + (random() < 0.2 ? -1 : random() * days * DAY) };
  }).sort((a, b) => a.appears - b.appears);
}

/** Popular files lie at both ends of a rank's power law; half of the requests go to what came in the last three days. */
function drawFile(
  files: readonly LoggedFile[],
  { time, random }: { readonly time: number; readonly random: Random },
): LoggedFile {
  const there = countUntil(files, time);
  const fresh = there - countUntil(files, time - 3 * DAY);
  const among = random() < 0.5 && fresh > 0 ? fresh : there;
  return files[there - 1 - Math.floor(among * random() ** 6)]!;
}

function countUntil(files: readonly LoggedFile[], time: number): number {
  let [low, high] = [0, files.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (files[middle]!.appears <= time) low = middle + 1;
    else high = middle;
  }
  return Math.max(1, low);
}

function drawClient({ clients }: LogShape, random: Random): string {
  const client = Math.floor(clients * random() ** 2);
  const mixed = Math.imul(client + 1, 0x9e3779b1) >>> 0;
  return client % 10 === 0
    ? `2001:db8:${(mixed >>> 20).toString(16)}::${(mixed & 0xffff).toString(16)}`
    : `10.${(client >>> 12) % 256}.${(client >>> 4) % 256}.${mixed % 254}`;
}

function requestLine(
  time: number,
  { file, client, random }: { readonly file: LoggedFile; readonly client: string; readonly random: Random },
): string {
  const date = new Date(time * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const stamp =
    `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
  const status = random() < 0.05 ? 304 : random() < 0.03 ? 404 : random() < 0.05 ? 206 : 200;
  const bytes = status === 200 ? file.bytes : status === 206 ? Math.ceil(file.bytes * random()) : 0;
  const agent = AGENTS[Math.floor(AGENTS.length * random() ** 2)]!;
  return `${client} - - [${stamp}] "GET ${file.path} HTTP/1.1" ${status} ${bytes} "-" "${agent}"`;
}
