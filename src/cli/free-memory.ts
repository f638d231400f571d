import { DatabaseSync } from "node:sqlite";

/**
 * Has the C library give back to the system what it holds and nobody uses: glibc's malloc_trim(3), of all its arenas. It takes some 0.2 ms
 * for each MB that is given back, and whoever allocates waits meanwhile.
 *
 * Node has no call for it, but SQLite's loader calls a function of any name in any shared library (decision 0056). It gives it the database as
 * its first argument, which malloc_trim takes for the number of bytes to leave at the top of its main arena: all of that stays. What
 * malloc_trim returns is 1 if it gave something back, and SQLite takes that for an extension that failed.
 *
 * @returns whether something was given back; false, too, where the C library has no malloc_trim (musl).
 */
export function giveBackFreeMemory(): boolean {
  using database = new DatabaseSync(":memory:", { allowExtension: true });
  try {
    database.loadExtension("libc.so.6", "malloc_trim");
    return false;
  } catch (error) {
    return error instanceof Error && error.message.startsWith("error during initialization");
  }
}
