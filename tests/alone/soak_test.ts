import { assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { heapPerConnection, runSoak, type Sample } from "../../bench/soak.ts";

/** `deno task soak` goes through 10,000. */
const CONNECTIONS = 400;
/**
 * Bytes. What V8 learns about the code still grows the heap on so short a way,
 * by some hundred bytes a connection; one `Link` that stays has 6 KiB.
 */
const NOISE = 1500;

Deno.test("reconnects leave nothing behind, whatever ended the connection", async () => {
  const { samples } = await runSoak(CONNECTIONS);
  const [first, ...later] = samples.slice(2);
  assertLess(heapPerConnection(samples.slice(2)), NOISE);
  for (const { files } of later) {
    assertAlmostEquals(files, first?.files ?? 0, 5);
  }
});

Deno.test("growth is the slope over the samples", () => {
  const samples: Sample[] = [10, 20, 30].map((connections) => ({
    connections,
    heap: 1000 + 7 * connections,
    rss: 0,
    files: 0,
  }));
  assertEquals(heapPerConnection(samples), 7);
});
