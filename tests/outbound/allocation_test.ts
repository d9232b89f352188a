import { assertLess } from "@std/assert";

Deno.test("a text that goes straight to the socket takes no memory on its way", async () => {
  const script = new URL("../support/send_allocation.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--v8-flags=--expose-gc", script.href],
    stderr: "inherit",
  }).output();
  const bytes = parseFloat(new TextDecoder().decode(stdout));
  // The smallest object has twelve; the looks at the socket in between take one.
  assertLess(bytes, 4);
});
