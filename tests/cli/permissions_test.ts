import {
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  fileNeeds,
  listenNeed,
  MissingPermissionError,
  type Need,
  netNeed,
  permissionHint,
  requirePermissions,
} from "../../src/cli/permissions.ts";

Deno.test("a URL needs the network of its host and port", () => {
  const hosts = {
    "ws://example.com/feed": "example.com:80",
    "wss://example.com": "example.com:443",
    "wss://user:pw@example.com:8443/": "example.com:8443",
    "ws://[::1]:9000": "[::1]:9000",
    "ws://[2001:db8::1]/": "[2001:db8::1]:80",
    "http://proxy:3128": "proxy:3128",
    "http://proxy": "proxy:80",
    "https://proxy": "proxy:443",
    "socks5://proxy": "proxy:1080",
    "socks5://proxy:9050": "proxy:9050",
  };
  for (const [url, host] of Object.entries(hosts)) {
    assertEquals(netNeed(url), { kind: "net", host }, url);
  }
});

Deno.test("listening needs the network of the address", () => {
  assertEquals(listenNeed({ hostname: "127.0.0.1", port: 80 }), {
    kind: "net",
    host: "127.0.0.1:80",
  });
  assertEquals(listenNeed({ hostname: "::1", port: 9000 }), {
    kind: "net",
    host: "[::1]:9000",
  });
});

Deno.test("a file that gets its name at the end needs reading and writing", () => {
  assertEquals(fileNeeds("feeds"), [
    { kind: "read", path: "feeds" },
    { kind: "write", path: "feeds" },
  ]);
});

const source = {
  standalone: false,
  mainModule: "file:///srv/ws/cli.ts",
  granted: [],
  variables: [],
};

Deno.test("what is missing is named as Deno's flags, to be typed as they are", () => {
  const missing: Need[] = [
    { kind: "net", host: "a.com:443" },
    { kind: "read", path: "my token" },
    { kind: "net", host: "[::1]:80" },
    { kind: "net", host: "a.com:443" },
    { kind: "write", path: "it's" },
  ];
  assertEquals(
    permissionHint(missing, missing, source).split("\n"),
    [
      "missing permission: --allow-net=a.com:443,[::1]:80 " +
      String.raw`'--allow-read=my token' '--allow-write=it'\''s'`,
      "run it as:",
      "  deno run --allow-net=a.com:443,[::1]:80 " +
      String
        .raw`'--allow-read=my token' '--allow-write=it'\''s' /srv/ws/cli.ts ...`,
    ],
  );
});

Deno.test("what to type keeps what was granted already", () => {
  const net: Need = { kind: "net", host: "a.com:443" };
  const missing: Need[] = [{ kind: "write", path: "feeds" }];
  const hint = permissionHint(missing, [net, ...missing], source);
  assertEquals(hint.split("\n"), [
    "missing permission: --allow-write=feeds",
    "run it as:",
    "  deno run --allow-net=a.com:443 --allow-write=feeds /srv/ws/cli.ts ...",
  ]);
  const more = { ...source, granted: ["read", "net"] } as const;
  assertStringIncludes(
    permissionHint(missing, [net, ...missing], {
      ...more,
      variables: ["HOME", "TERM"],
    }),
    "  deno run --allow-read --allow-net --allow-env=HOME,TERM " +
      "--allow-write=feeds /srv/ws/cli.ts ...",
  );
});

Deno.test("the command works in any folder, with any name", () => {
  const missing: Need[] = [
    { kind: "read", path: "a,b" },
    { kind: "write", path: "c" },
  ];
  const command = (mainModule: string) =>
    permissionHint(missing, missing, { ...source, mainModule }).split("\n")[2];
  assertEquals(
    command("file:///srv/my%20tools/cli.ts"),
    "  deno run --allow-read --allow-write=c '/srv/my tools/cli.ts' ...",
  );
  assertEquals(
    command("file:///C:/tools/cli.ts"),
    "  deno run --allow-read --allow-write=c C:/tools/cli.ts ...",
  );
});

Deno.test("an installed program keeps what it may do when it is installed again", () => {
  const mainModule = "https://jsr.io/@ws-stream/client/0.1.0/cli.ts";
  const needs: Need[] = [
    { kind: "net", host: "a:1" },
    { kind: "read", path: "ca.pem" },
  ];
  const lines = (granted: readonly ("net" | "read" | "env")[]) =>
    permissionHint(needs, needs, { ...source, mainModule, granted })
      .split("\n").slice(2);
  assertEquals(lines([]), [
    `  deno run --allow-net=a:1 --allow-read=ca.pem ${mainModule} ...`,
    "  deno install --global --force --allow-net --allow-read=ca.pem " +
    `--name ws-stream ${mainModule}`,
  ]);
  assertEquals(
    lines(["env", "read"])[1],
    "  deno install --global --force --allow-net --allow-env --allow-read " +
      `--name ws-stream ${mainModule}`,
  );
});

Deno.test("a compiled program is compiled with it, and with the network in any case", () => {
  const hint = (missing: Need[]) =>
    permissionHint(missing, missing, { ...source, standalone: true });
  assertStringIncludes(
    hint([{ kind: "read", path: "token" }]),
    "\n  deno compile --allow-net --allow-read --output ws-stream jsr:",
  );
  assertStringIncludes(
    hint([{ kind: "net", host: "a:1" }]),
    "deno compile --allow-net --output",
  );
});

Deno.test("a compiled program keeps what it was compiled with", () => {
  const missing: Need[] = [{ kind: "read", path: "token" }];
  const launch = { ...source, standalone: true, variables: ["HOME", "TERM"] };
  assertStringIncludes(
    permissionHint(missing, missing, { ...launch, granted: ["net", "write"] }),
    "\n  deno compile --allow-net --allow-write --allow-env=HOME,TERM " +
      "--allow-read --output ws-stream jsr:",
  );
});

Deno.test({
  name:
    "what is allowed passes, what is not is missing, and all of it is named",
  permissions: { net: ["127.0.0.1:80", "a.com"], read: false, write: false },
  fn() {
    requirePermissions([]);
    requirePermissions([{ kind: "net", host: "127.0.0.1:80" }]);
    requirePermissions([{ kind: "net", host: "a.com:443" }]);
    const error = assertThrows(
      () =>
        requirePermissions([
          { kind: "net", host: "a.com:443" },
          { kind: "net", host: "127.0.0.1:81" },
          { kind: "read", path: "x" },
        ]),
      MissingPermissionError,
    );
    assertMatch(
      error.message,
      /^missing permission: --allow-net=127\.0\.0\.1:81 --allow-read=x\n/,
    );
  },
});
