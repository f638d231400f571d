import { createHash } from "node:crypto";

/** What a publish looks at in a child of a directory. */
export interface ChildFacts {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Of a child that no release can show: a device, FIFO or socket, or a mount point that is not entered. */
export const NO_RELEASED_KIND = 255;

/** Children that are hashed together. Digests that are to be equal must be made with the same number. */
const GROUP = 128;
const FACTS_PER_CHILD = 4;

/**
 * SHA-256 over names, kinds and stats of all children of a directory, given in byte order of their names. Two are equal if and
 * only if nothing that {@link fingerprintOf} compares differs between them.
 */
export class DirectoryDigest {
  readonly #hash = createHash("sha256");
  readonly #facts = new BigInt64Array(GROUP * FACTS_PER_CHILD);
  readonly #kinds = new Uint8Array(GROUP);
  #names: string[] = [];

  /** @param salt 0…255: digests with different ones never agree */
  constructor(salt: number) {
    this.#hash.update(Uint8Array.of(salt));
  }

  /**
   * @param name latin1, one character per byte
   * @param kind as in the index, or {@link NO_RELEASED_KIND}
   */
  add(name: string, kind: number, facts: ChildFacts): void {
    const at = this.#names.length * FACTS_PER_CHILD;
    this.#kinds[this.#names.length] = kind;
    this.#facts[at] = facts.ino;
    this.#facts[at + 1] = facts.size;
    this.#facts[at + 2] = facts.mtimeNs;
    this.#facts[at + 3] = facts.ctimeNs;
    this.#names.push(name);
    if (this.#names.length === GROUP) this.#flush();
  }

  finish(): Buffer {
    this.#flush();
    return this.#hash.digest();
  }

  #flush(): void {
    const count = this.#names.length;
    // No name holds "/" or is empty, so the end of the names is told by "//".
    this.#hash.update(`${this.#names.join("/")}//`, "latin1");
    this.#hash.update(this.#kinds.subarray(0, count));
    this.#hash.update(new Uint8Array(this.#facts.buffer, 0, count * FACTS_PER_CHILD * 8));
    this.#names = [];
  }
}
