import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../src/cli/args/values.ts";
import { serveUntilEnd } from "../../src/cli/serve/server_run.ts";
import { serve } from "../../src/server/server.ts";

const ADDRESS = { hostname: "127.0.0.1", port: 0 };
const FIFTY_MS = { timeout: 50, for: undefined };

Deno.test("the time ends the server, with 124", async () => {
  const server = Promise.withResolvers<{ port: number }>();
  const status = await serveUntilEnd(FIFTY_MS, ADDRESS, () => {
    const started = serve({ onPeer: () => {} });
    server.resolve(started);
    return started;
  });
  assertEquals(status, 124);
  const { port } = await server.promise;
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port }),
    Deno.errors.ConnectionRefused,
  );
});

Deno.test("a planned time ends the server, with 0", async () => {
  const status = await serveUntilEnd(
    { timeout: 60_000, for: 50 },
    ADDRESS,
    () => serve({ onPeer: () => {} }),
  );
  assertEquals(status, 0);
});

Deno.test({
  name: "a signal ends the server",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const status = serveUntilEnd(
      { timeout: 60_000, for: undefined },
      ADDRESS,
      () => {
        setTimeout(() => Deno.kill(Deno.pid, "SIGTERM"), 10);
        return serve({ onPeer: () => {} });
      },
    );
    assertEquals(await status, "SIGTERM");
  },
});

Deno.test("an address that is taken is wrong usage", async () => {
  await using server = serve({ onPeer: () => {} });
  const { port } = server;
  await assertRejects(
    () =>
      serveUntilEnd(
        FIFTY_MS,
        { ...ADDRESS, port },
        () => serve({ port, onPeer: () => {} }),
      ),
    UsageError,
    `cannot listen on 127.0.0.1:${port}`,
  );
});
