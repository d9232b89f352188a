import { assertEquals } from "@std/assert";
import { serve } from "../../src/server/server.ts";
import { Example } from "./example.ts";

Deno.test("a revoked token is replaced by a new one", async () => {
  let issued = 0;
  await using auth = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, () => Response.json({ access_token: `t${++issued}`, expires_in: 3600 }));
  const seen: (string | null)[] = [];
  let connections = 0;
  await using server = serve({
    accept({ headers }) {
      seen.push(headers.get("authorization"));
      const isCurrent = headers.get("authorization") === `Bearer t${issued}`;
      const isRevoked = connections > 0 && issued < 2;
      return isCurrent && !isRevoked ? undefined : { status: 401 };
    },
    async onPeer(peer) {
      connections++;
      await peer.send(`connection ${connections}`);
      if (connections === 1) await peer.close(4401, "token revoked");
    },
  });
  await using client = new Example("token_refresh.ts", {
    args: [`http://127.0.0.1:${auth.addr.port}/token`, server.url],
    net: [`127.0.0.1:${auth.addr.port}`, `127.0.0.1:${server.port}`],
  });
  await client.stdout.matching(/^connection 2$/);
  assertEquals(issued, 2);
  assertEquals(seen[0], "Bearer t1");
  assertEquals(seen.at(-1), "Bearer t2");
});

Deno.test("a new token that is refused ends the program", async () => {
  await using auth = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
  }, () => Response.json({ access_token: "wrong", expires_in: 3600 }));
  await using server = serve({
    accept: () => ({ status: 401 }),
    onPeer: () => {},
  });
  await using client = new Example("token_refresh.ts", {
    args: [`http://127.0.0.1:${auth.addr.port}/token`, server.url],
    net: [`127.0.0.1:${auth.addr.port}`, `127.0.0.1:${server.port}`],
  });
  assertEquals(await client.finish(), 1);
  await client.stderr.matching(/401/);
});
