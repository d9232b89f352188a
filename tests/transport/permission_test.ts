import { assertEquals, assertThrows } from "@std/assert";
import { requireNetPermission } from "../../src/transport/permission.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
} from "../../src/transport/transport.ts";

function refusal(url: string): HandshakeFacts {
  const require = () => requireNetPermission(new URL(url));
  return assertThrows(require, HandshakeFailure).facts;
}

Deno.test({
  name: "an allowed host and port passes",
  permissions: { net: ["example.com", "127.0.0.1:4711", "[::1]:443"] },
  fn: () => {
    const allowed = [
      "ws://example.com/feed",
      "wss://example.com:8443/",
      "ws://127.0.0.1:4711/",
      "wss://[::1]/",
    ];
    for (const url of allowed) requireNetPermission(new URL(url));
  },
});

Deno.test({
  name: "what is not allowed is refused, and the flag is named exactly",
  permissions: { net: ["example.com:443"] },
  fn: () => {
    const flags = [
      ["ws://example.com/", "example.com:80"],
      ["wss://user:hush@sub.example.com/?token=hush", "sub.example.com:443"],
      ["ws://[::1]:4711/", "[::1]:4711"],
      ["http://proxy/", "proxy:80"],
      ["https://proxy/", "proxy:443"],
      ["socks5://proxy/", "proxy:1080"],
    ] as const;
    for (const [url, host] of flags) {
      assertEquals(refusal(url), {
        kind: "permission",
        detail: `run with --allow-net=${host}`,
      });
    }
  },
});

Deno.test("a host that --deny-net forbids is said to be forbidden", async () => {
  const program = `
    import { requireNetPermission } from "${
    import.meta.resolve("../../src/transport/permission.ts")
  }";
    try {
      requireNetPermission(new URL("ws://127.0.0.1:4711"));
    } catch (error) {
      console.log(error.message);
    }
  `;
  const { stdout } = await runWithout(program, "127.0.0.1");
  assertEquals(
    new TextDecoder().decode(stdout),
    "--deny-net forbids 127.0.0.1:4711\n",
  );
});

async function runWithout(program: string, host: string) {
  const deno = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", `--deny-net=${host}`, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await new Blob([program]).stream().pipeTo(deno.stdin);
  return await deno.output();
}
