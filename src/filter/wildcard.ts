/** Token values beyond the 256 bytes. */
const ANY_BUT_SLASH = 256;
const STAR = 257;
const DOUBLE_STAR = 258;
/** A class of bytes is this plus its index. */
const FIRST_CLASS = 259;

const SLASH = 0x2f;

const POSIX_CLASSES: ReadonlyMap<string, (byte: number) => boolean> = new Map([
  ["alnum", (byte: number) => isBetween(byte, "0", "9") || isLetter(byte)],
  ["alpha", isLetter],
  ["blank", (byte: number) => byte === 0x20 || byte === 0x09],
  ["cntrl", (byte: number) => byte < 0x20 || byte === 0x7f],
  ["digit", (byte: number) => isBetween(byte, "0", "9")],
  ["graph", (byte: number) => byte > 0x20 && byte < 0x7f],
  ["lower", (byte: number) => isBetween(byte, "a", "z")],
  ["print", (byte: number) => byte >= 0x20 && byte < 0x7f],
  ["punct", (byte: number) => byte > 0x20 && byte < 0x7f && !isLetter(byte) && !isBetween(byte, "0", "9")],
  ["space", (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)],
  ["upper", (byte: number) => isBetween(byte, "A", "Z")],
  ["xdigit", (byte: number) => isBetween(byte, "0", "9") || isBetween(byte, "a", "f") || isBetween(byte, "A", "F")],
]);

/**
 * A shell pattern as rsync reads it, over byte strings: `*` and `?` stop at slashes, `**` does not, `[…]` is a class of
 * bytes and never a slash, a backslash takes the next byte as it is. Matching never takes more than the product of the
 * lengths of pattern and text for each `**`.
 */
export class WildcardPattern {
  readonly #tokens: readonly number[];
  readonly #classes: readonly ReadonlySet<number>[];

  constructor(pattern: string) {
    const compiled = compile(pattern);
    this.#tokens = compiled.tokens;
    this.#classes = compiled.classes;
  }

  /** Does the pattern match all of `text` from `start` on? */
  matches(text: string, start = 0): boolean {
    const tokens = this.#tokens;
    let token = 0;
    let at = start;
    // Where to go on if what follows the last star does not match: the star takes one byte more. An earlier star of its kind
    // need not be tried again: to take the leftmost match leaves the most to those that follow.
    let star: Resumption | undefined;
    let doubleStar: Resumption | undefined;
    for (;;) {
      const wanted = tokens[token];
      if (wanted === DOUBLE_STAR) {
        doubleStar = { token: ++token, at };
        star = undefined;
      } else if (wanted === STAR) {
        star = { token: ++token, at };
      } else if (wanted === undefined ? at === text.length : this.#takes(wanted, text.charCodeAt(at))) {
        if (wanted === undefined) return true;
        token++;
        at++;
      } else if (star !== undefined && star.at < text.length && text.charCodeAt(star.at) !== SLASH) {
        at = ++star.at;
        token = star.token;
      } else if (doubleStar !== undefined && doubleStar.at < text.length) {
        at = ++doubleStar.at;
        token = doubleStar.token;
        star = undefined;
      } else {
        return false;
      }
    }
  }

  /** @param byte NaN at the end of the text */
  #takes(token: number, byte: number): boolean {
    if (token < ANY_BUT_SLASH) return token === byte;
    if (Number.isNaN(byte) || byte === SLASH) return false;
    return token === ANY_BUT_SLASH || this.#classes[token - FIRST_CLASS]!.has(byte);
  }
}

interface Resumption {
  readonly token: number;
  at: number;
}

function compile(pattern: string): { readonly tokens: number[]; readonly classes: Set<number>[] } {
  const tokens: number[] = [];
  const classes: Set<number>[] = [];
  for (let at = 0; at < pattern.length;) {
    const unit = pattern[at]!;
    if (unit === "*") {
      let end = at + 1;
      while (pattern[end] === "*") end++;
      tokens.push(end - at === 1 ? STAR : DOUBLE_STAR);
      at = end;
    } else if (unit === "[") {
      const parsed = parseClass(pattern, at + 1);
      tokens.push(FIRST_CLASS + classes.length);
      classes.push(parsed.bytes);
      at = parsed.end;
    } else {
      const isEscaped = unit === "\\" && at + 1 < pattern.length;
      const literal = isEscaped ? at + 1 : at;
      tokens.push(unit === "?" ? ANY_BUT_SLASH : pattern.charCodeAt(literal));
      at = literal + 1;
    }
  }
  return { tokens, classes };
}

/** The class that begins after "[". One without an end matches nothing, as in rsync. */
function parseClass(pattern: string, start: number): { readonly bytes: Set<number>; readonly end: number } {
  const bytes = new Set<number>();
  const isNegated = pattern[start] === "!" || pattern[start] === "^";
  let at = isNegated ? start + 1 : start;
  const first = at;
  let previous: number | undefined;
  while (at < pattern.length && (pattern[at] !== "]" || at === first)) {
    const named = /^\[:([a-z]*):\]/.exec(pattern.slice(at, at + 12));
    if (named !== null) {
      const isMember = POSIX_CLASSES.get(named[1]!);
      if (isMember === undefined) return { bytes: new Set(), end: pattern.length };
      for (let byte = 0; byte < 256; byte++) if (isMember(byte)) bytes.add(byte);
      at += named[0].length;
      previous = undefined;
      continue;
    }
    const isRange = pattern[at] === "-" && previous !== undefined && at + 1 < pattern.length && pattern[at + 1] !== "]";
    if (isRange) at++;
    if (pattern[at] === "\\" && at + 1 < pattern.length) at++;
    const byte = pattern.charCodeAt(at);
    for (let member = isRange ? previous! : byte; member <= byte; member++) bytes.add(member);
    previous = isRange ? undefined : byte;
    at++;
  }
  if (at >= pattern.length) return { bytes: new Set(), end: pattern.length };
  return { bytes: isNegated ? complementOf(bytes) : bytes, end: at + 1 };
}

function complementOf(bytes: ReadonlySet<number>): Set<number> {
  const others = new Set<number>();
  for (let byte = 0; byte < 256; byte++) if (!bytes.has(byte)) others.add(byte);
  return others;
}

function isLetter(byte: number): boolean {
  return isBetween(byte, "a", "z") || isBetween(byte, "A", "Z");
}

function isBetween(byte: number, first: string, last: string): boolean {
  return byte >= first.charCodeAt(0) && byte <= last.charCodeAt(0);
}
