import { mkdirSync } from "node:fs";
import { isSystemError, messageOf } from "../core/errors.ts";
import { StoreError } from "../store/errors.ts";

/** Makes DEST. @returns false if it is there already @throws StoreError `root-unusable` */
export function makeDestination(path: string): boolean {
  try {
    // Only the last part, as rsync does: a mistyped path must not grow a tree somewhere.
    mkdirSync(path);
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    const why = isSystemError(error, "ENOENT")
      ? "the directory above it does not exist; make that first"
      : messageOf(error);
    throw new StoreError("root-unusable", `directory "${path}" can't be made: ${why}`, { cause: error });
  }
}
