import { fuzz } from "./fuzz.ts";

Deno.test("random and mutated bytes lead to documented errors only", () => {
  const seed = Date.now() % 1e9;
  console.log(`seed ${seed}`);
  fuzz(4000, seed);
});
