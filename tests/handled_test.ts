import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { handled, rejected } from "../src/handled.ts";

Deno.test("a handled promise still rejects for who awaits it", async () => {
  const promise = Promise.reject(new Error("no"));
  assertStrictEquals(handled(promise), promise);
  await assertRejects(() => promise, Error, "no");
});

Deno.test("a rejection that nobody awaits ends no program", async () => {
  let unhandled = 0;
  const count = (event: Event) => {
    event.preventDefault();
    unhandled++;
  };
  addEventListener("unhandledrejection", count);
  rejected(new Error("no"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  removeEventListener("unhandledrejection", count);
  assertEquals(unhandled, 0);
});
