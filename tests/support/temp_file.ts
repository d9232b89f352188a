/** A path in a folder of its own, which goes when it is disposed. */
export class TempFile implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "ws-stream-" });
  readonly path = `${this.folder}/queue.spool`;

  /** The names in the folder. */
  names(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}
