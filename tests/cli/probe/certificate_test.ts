import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  certificateLines,
  fetchCertificate,
} from "../../../src/cli/probe/certificate.ts";
import { serve } from "../../../src/server/server.ts";
import { certificates } from "../../support/certificates.ts";

Deno.test("the certificate of a server is read, accepted or not", async () => {
  const { unknown } = await certificates();
  await using server = serve({ tls: unknown, onPeer: () => {} });
  const found = await fetchCertificate(
    "127.0.0.1",
    server.port,
    AbortSignal.timeout(5_000),
  );
  assert(found !== undefined);
  assertEquals(found.subject, "CN=test server");
  assertEquals(found.issuer, "CN=Unknown CA");
  assertMatch(found.names, /^localhost, /);
  assert(found.from.getTime() < found.to.getTime());
});

Deno.test({
  name: "where there is no TLS or no answer there is none",
  // Deno 2.6 lets go of a TLS socket that is destroyed in its handshake only
  // when the peer does.
  sanitizeResources: !Deno.version.deno.startsWith("2.6."),
  fn: async () => {
    await using server = serve({ onPeer: () => {} });
    const none = await fetchCertificate(
      "127.0.0.1",
      9,
      AbortSignal.timeout(5_000),
    );
    assertEquals(none, undefined);
    const silent = await fetchCertificate(
      "127.0.0.1",
      server.port,
      AbortSignal.timeout(100),
    );
    assertEquals(silent, undefined);
    const late = await fetchCertificate(
      "127.0.0.1",
      server.port,
      AbortSignal.abort(),
    );
    assertEquals(late, undefined);
  },
});

Deno.test("its lines tell how long it is still good", () => {
  const facts = {
    subject: "CN=a",
    names: "a, b",
    issuer: "CN=c",
    from: new Date("2026-01-01T00:00:00Z"),
    to: new Date("2026-03-01T00:00:00Z"),
    protocol: "",
  };
  const valid = (now: string) =>
    certificateLines(facts, Date.parse(now)).at(-1);
  assertEquals(
    valid("2026-02-27T12:00:00Z"),
    "valid     2026-01-01 to 2026-03-01 (1 day left)",
  );
  assertEquals(
    valid("2026-03-04T00:00:00Z"),
    "valid     2026-01-01 to 2026-03-01 (ended 3 days ago)",
  );
  assertEquals(certificateLines(facts, 0).length, 4);
});
