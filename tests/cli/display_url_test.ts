import { assertEquals } from "@std/assert";
import { displayUrl } from "../../src/cli/display_url.ts";

Deno.test("a URL is shown without what may be secret", () => {
  const shown = {
    "wss://example.com/feed": "wss://example.com/feed",
    "wss://example.com:8443": "wss://example.com:8443/",
    "wss://user:secret@example.com/": "wss://example.com/",
    "wss://secret@example.com/": "wss://example.com/",
    "wss://example.com/a?token=secret": "wss://example.com/a?***",
    "wss://example.com/a?": "wss://example.com/a",
    "ws://[::1]:80/": "ws://[::1]/",
  };
  for (const [url, display] of Object.entries(shown)) {
    assertEquals(displayUrl(url), display);
  }
});
