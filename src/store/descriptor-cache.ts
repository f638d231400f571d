import { closeSync } from "node:fs";

/** An open descriptor that is kept open while it is pinned; dispose to unpin, exactly once. */
export interface PinnedDescriptor extends Disposable {
  readonly descriptor: number;
}

interface CachedDescriptor {
  readonly descriptor: number;
  pins: number;
  /** False once evicted: the last unpin then closes it. */
  isCached: boolean;
}

/**
 * Keeps the most recently used descriptors open. Invariants: a pinned descriptor is never closed (its number could be
 * reused for another file under the feet of a running call); at most `capacity` unpinned ones are open; every
 * descriptor that was handed in is closed exactly once.
 */
export class DescriptorCache implements Disposable {
  readonly #capacity: number;
  /** In order of last use, oldest first. */
  readonly #cached = new Map<string, CachedDescriptor>();
  /** How many keys lie below each directory that has some: renames ask for it by the million. */
  readonly #countBelow = new Map<string, number>();
  /** Last key of {@link #cached}, unless it was dropped: the same directory is mostly used again and again. */
  #newest: string | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#cached.size;
  }

  has(key: string): boolean {
    return this.#cached.has(key);
  }

  /** The descriptor kept under `key`, pinned, or undefined. */
  pin(key: string): PinnedDescriptor | undefined {
    const cached = this.#cached.get(key);
    if (cached === undefined) return undefined;
    if (key !== this.#newest) this.#renew(key, cached);
    return pinOf(cached);
  }

  /** The descriptor kept under `key`, for a call that is over before anything else happens to this cache. */
  peek(key: string): number | undefined {
    const cached = this.#cached.get(key);
    if (cached === undefined) return undefined;
    if (key !== this.#newest) this.#renew(key, cached);
    return cached.descriptor;
  }

  /** Takes ownership of an open descriptor and returns it pinned. `key` must not be cached. */
  add(key: string, descriptor: number): PinnedDescriptor {
    const cached: CachedDescriptor = { descriptor, pins: 0, isCached: true };
    this.#cached.set(key, cached);
    this.#newest = key;
    this.#countAbove(key, 1);
    const pinned = pinOf(cached);
    if (this.#cached.size > this.#capacity) this.#evictOldest();
    return pinned;
  }

  forget(key: string): void {
    const cached = this.#cached.get(key);
    if (cached !== undefined) this.#drop(key, cached);
  }

  /** Forgets a directory and all that lies below it. */
  forgetBelow(directory: string): void {
    this.forget(directory);
    if (!this.#countBelow.has(directory)) return;
    const prefix = `${directory}/`;
    for (const [key, cached] of this.#cached) if (key.startsWith(prefix)) this.#drop(key, cached);
  }

  clear(): void {
    for (const [key, cached] of this.#cached) this.#drop(key, cached);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #renew(key: string, cached: CachedDescriptor): void {
    this.#cached.delete(key);
    this.#cached.set(key, cached);
    this.#newest = key;
  }

  #countAbove(key: string, by: 1 | -1): void {
    for (let end = key.lastIndexOf("/"); end > 0; end = key.lastIndexOf("/", end - 1)) {
      const directory = key.slice(0, end);
      const count = (this.#countBelow.get(directory) ?? 0) + by;
      if (count === 0) this.#countBelow.delete(directory);
      else this.#countBelow.set(directory, count);
    }
  }

  #evictOldest(): void {
    const oldest = this.#cached.entries().next().value;
    if (oldest !== undefined) this.#drop(oldest[0], oldest[1]);
  }

  #drop(key: string, cached: CachedDescriptor): void {
    this.#cached.delete(key);
    this.#countAbove(key, -1);
    if (key === this.#newest) this.#newest = undefined;
    cached.isCached = false;
    if (cached.pins === 0) closeSync(cached.descriptor);
  }
}

function pinOf(cached: CachedDescriptor): PinnedDescriptor {
  cached.pins++;
  let isPinned = true;
  return {
    descriptor: cached.descriptor,
    [Symbol.dispose]: () => {
      if (!isPinned) return;
      isPinned = false;
      cached.pins--;
      if (cached.pins === 0 && !cached.isCached) closeSync(cached.descriptor);
    },
  };
}
