import { assertEquals } from "@std/assert";
import { withTables } from "./readme_tables.ts";

Deno.test("the README's tables are those of the program", async () => {
  const path = new URL("../../README.md", import.meta.url);
  const readme = await Deno.readTextFile(path);
  assertEquals(cells(readme), cells(withTables(readme)));
});

/** Without what the formatter adds: spaces and dashes that fill the cells. */
function cells(text: string): string {
  return text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
}
