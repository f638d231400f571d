import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * An empty directory to write into: on a file system made for this run where that can be done (root, a loop device),
 * because a used disk takes several times as long and as unevenly; else an ordinary one.
 */
export class FreshDisk implements Disposable {
  readonly path: string;
  readonly isOwnFileSystem: boolean;
  readonly #scratch: string;

  private constructor(scratch: string, isOwnFileSystem: boolean) {
    this.#scratch = scratch;
    this.path = join(scratch, "disk");
    this.isOwnFileSystem = isOwnFileSystem;
  }

  /** With room for `lengthBytes`. */
  static make(lengthBytes: number): FreshDisk {
    const scratch = mkdtempSync(join(tmpdir(), "prsync-bench-disk-"));
    const image = join(scratch, "image");
    mkdirSync(join(scratch, "disk"));
    try {
      const size = Math.ceil((lengthBytes * 1.1) / 2 ** 20) + 64;
      run("truncate", "-s", `${size}M`, image);
      run("mkfs.ext4", "-q", "-F", "-m", "0", image);
      run("mount", "-o", "loop", image, join(scratch, "disk"));
      return new FreshDisk(scratch, true);
    } catch {
      rmSync(image, { force: true });
      return new FreshDisk(scratch, false);
    }
  }

  [Symbol.dispose](): void {
    if (this.isOwnFileSystem) run("umount", this.path);
    rmSync(this.#scratch, { recursive: true });
  }
}

function run(command: string, ...words: string[]): void {
  execFileSync(command, words, { stdio: "ignore" });
}
