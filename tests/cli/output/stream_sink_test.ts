import { assertEquals, assertGreater } from "@std/assert";
import { StreamSink } from "../../../src/cli/output/stream_sink.ts";
import { TempFile } from "../../support/temp_file.ts";

Deno.test({
  name: "a limit of time counts though no timer gets a chance to say so",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using temp = new TempFile();
    const path = `${temp.folder}/fifo`;
    await new Deno.Command("mkfifo", { args: [path] }).output();
    // A reader that reads nothing.
    using _reader = await Deno.open(path, { read: true, write: true });
    const options = { capacity: 1024 * 1024, direct: 0 };
    const sink = new StreamSink({ kind: "path", path }, options, () => ({
      deadline: Infinity,
      interrupt: () => {},
      outputFailed: (error) => {
        throw error;
      },
    }));
    sink.write(new Uint8Array(1024 * 1024));
    const { signal } = new AbortController();
    assertEquals(await sink.written({ signal, left: 0 }), false);
    assertGreater(sink.pending, 0);
    sink.stop();
  },
});
