/** A disk of its own, of a few KiB. Needs Linux, and root. */
export class SmallDisk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "ws-stream-disk-" });

  constructor(kib: number) {
    if (
      run("mount", "-t", "tmpfs", "-o", `size=${kib}k`, "tmpfs", this.folder)
    ) {
      return;
    }
    Deno.removeSync(this.folder);
    throw new Error("Cannot mount a file system");
  }

  /** Another program takes all the room that is left. */
  fill(): void {
    using file = Deno.openSync(`${this.folder}/other`, {
      append: true,
      create: true,
    });
    try {
      for (const block = new Uint8Array(512);;) file.writeSync(block);
    } catch {
      // It is full.
    }
  }

  /** The names in the folder. */
  names(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    // Even if a failed test has left a file open.
    run("umount", "--lazy", this.folder);
    Deno.removeSync(this.folder);
  }
}

/** Whether this machine lets us have one; if not, it is told why. */
export function hasSmallDisks(): boolean {
  try {
    using _ = new SmallDisk(64);
    return true;
  } catch {
    console.log("Cannot mount a file system: tests of a full disk are skipped");
    return false;
  }
}

function run(command: string, ...args: string[]): boolean {
  try {
    const io = { stdout: "null", stderr: "null" } as const;
    return new Deno.Command(command, { args, ...io }).outputSync().success;
  } catch {
    return false;
  }
}
