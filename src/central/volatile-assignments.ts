import { assignVolatile, type ReleaseBytes, type VolatileAssignment } from "../tracker/volatile-assignment.ts";
import type { PublishedTree } from "./published-tree.ts";

/** What volatile volunteers are to hold of the current release. The sums behind that cost a look at each content, so they are kept for a release. */
export class VolatileAssignments {
  readonly #tree: Pick<PublishedTree, "release" | "bytesByRelease">;
  #sums: { readonly release: number; readonly rows: readonly ReleaseBytes[] } | undefined;

  constructor(tree: Pick<PublishedTree, "release" | "bytesByRelease">) {
    this.#tree = tree;
  }

  /** Undefined before the first release. */
  of(id: string, quotaBytes: number): VolatileAssignment | undefined {
    const release = this.#tree.release?.number;
    if (release === undefined) return undefined;
    if (this.#sums?.release !== release) this.#sums = { release, rows: this.#tree.bytesByRelease() };
    return assignVolatile({ id, quotaBytes }, release, this.#sums.rows);
  }
}
