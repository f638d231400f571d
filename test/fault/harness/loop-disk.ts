import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";

/** FS_IOC_SHUTDOWN with NOLOGFLUSH: nothing that is not on the disk yet gets there, as in a power cut. */
const CUT_POWER = `
import fcntl, os, sys, struct
fd = os.open(sys.argv[1], os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
fcntl.ioctl(fd, 0x8004587d, struct.pack("I", 2))
`;

export interface DiskShape {
  readonly bytes: number;
  readonly inodes?: number;
}

/** An ext4 file system in an image file, mounted by a loop device. Needs root. */
export class LoopDisk implements AsyncDisposable {
  readonly path: string;
  #image: string;
  #isMounted = false;

  private constructor(image: string) {
    this.#image = image;
    this.path = `${image}.mounted`;
    mkdirSync(this.path, { recursive: true });
  }

  /** A new, empty one; not mounted yet. */
  static format(image: string, shape: DiskShape): LoopDisk {
    writeFileSync(image, "");
    truncateSync(image, shape.bytes);
    const inodes = shape.inodes === undefined ? [] : ["-N", String(shape.inodes)];
    execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", ...inodes, image], { stdio: "ignore" });
    return new LoopDisk(image);
  }

  /** The same bytes, inode numbers and times included. `from` is not mounted. */
  static copy(from: string, image: string): LoopDisk {
    copyImage(from, image);
    return new LoopDisk(image);
  }

  /** @param options of mount(8), "commit=1" for instance */
  mount(options = "defaults"): this {
    execFileSync("mount", ["-o", `loop,${options}`, this.#image, this.path]);
    this.#isMounted = true;
    return this;
  }

  /** All of it is in the image afterwards. */
  async unmount(): Promise<void> {
    if (!this.#isMounted) return;
    // A network namespace made meanwhile keeps the mount alive: unmounting alone flushes nothing then.
    spawnSync("sync", ["-f", this.path], { stdio: "ignore" });
    for (let attempt = 0; attempt < 300; attempt++) {
      if (spawnSync("umount", [this.path], { stdio: "ignore" }).status === 0) {
        this.#isMounted = false;
        return;
      }
      await setTimeout(100);
    }
    throw new Error(`${this.path} stays busy`);
  }

  /** Mounts what was on the disk when the power went. */
  async comeBack(options?: string): Promise<void> {
    await this.unmount();
    this.#takeNewImage();
    this.mount(options);
  }

  /** All but this much of the free space is taken by the file that is returned. */
  fill(leaveBytes: number): string {
    const { bavail, bsize } = statfsSync(this.path);
    const filler = `${this.path}/filler`;
    // It may find that the last blocks are needed for its own map: then as much as there was is taken.
    spawnSync("fallocate", ["-l", String(Math.max(bsize, bavail * bsize - leaveBytes)), filler], { stdio: "ignore" });
    return filler;
  }

  /** An error in its metadata makes the kernel turn it read-only, for programs that have it open too. */
  failReadOnly(): void {
    const line = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .find((mount) => mount.split(" ")[1] === this.path)!;
    execFileSync("mount", ["-o", "remount,errors=remount-ro", this.path]);
    writeFileSync(`/sys/fs/ext4/${basename(line.split(" ")[0]!)}/trigger_fs_error`, "1");
  }

  /** As an operator would after that: checked, mended, mounted again. */
  async repair(): Promise<void> {
    await this.unmount();
    this.#takeNewImage();
    // 1: errors were corrected.
    const { status } = spawnSync("e2fsck", ["-f", "-y", this.#image], { stdio: "ignore" });
    if (status === null || status > 1) throw new Error(`e2fsck ended with ${status}`);
    this.mount();
  }

  /** Changes bytes on the disk behind the file system's back, as a dying disk does. It is mounted again afterwards. */
  async rot(change: (image: Buffer) => void): Promise<void> {
    await this.unmount();
    const bytes = readFileSync(this.#image);
    change(bytes);
    writeFileSync(this.#image, bytes);
    await this.comeBack();
  }

  /** What cuts the power when told so, without the delay of a start. */
  async switch(): Promise<PowerSwitch> {
    const child = spawn("python3", ["-c", CUT_POWER, this.path], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    return new PowerSwitch(child);
  }

  /** Where a network namespace keeps the old mount alive the same image would be mounted again as it is. */
  #takeNewImage(): void {
    const image = `${this.#image}+`;
    copyImage(this.#image, image);
    rmSync(this.#image);
    this.#image = image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount();
    rmSync(this.path, { recursive: true });
    rmSync(this.#image);
  }
}

export class PowerSwitch {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async cut(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin!.end("\n");
    const [code] = (await closed) as [number | null];
    if (code !== 0) throw new Error("the power could not be cut");
  }
}

/** Root, loop devices, ext4 and strace: what the rows work with. */
export function canPlayFaults(): boolean {
  if (process.geteuid!() !== 0) return false;
  if (["strace", "mkfs.ext4", "rsync", "python3"].some((name) => spawnSync("which", [name]).status !== 0)) return false;
  const image = `/tmp/prsync-loop-${process.pid}`;
  const mounted = `${image}.mounted`;
  try {
    writeFileSync(image, "");
    truncateSync(image, 8 * 2 ** 20);
    execFileSync("mkfs.ext4", ["-q", "-F", image], { stdio: "ignore" });
    mkdirSync(mounted);
    execFileSync("mount", ["-o", "loop", image, mounted], { stdio: "ignore" });
    execFileSync("umount", [mounted]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(mounted, { recursive: true, force: true });
    rmSync(image, { force: true });
  }
}

function copyImage(from: string, to: string): void {
  execFileSync("cp", ["--sparse=always", "--reflink=auto", from, to]);
}
