import { assert, assertEquals, assertLess } from "@std/assert";
import { owners } from "../../examples/fleet/rendezvous.ts";

const TASKS = Array.from({ length: 3_000 }, (_, i) => `spot/CHANNEL-${i}`);
const MEMBERS = ["a", "b", "c", "d"];

Deno.test("each task has as many owners as asked for, all different", () => {
  for (const task of TASKS) {
    assertEquals(new Set(owners(task, MEMBERS, 2)).size, 2);
  }
  assertEquals(owners("task", ["a"], 2), ["a"]);
  assertEquals(owners("task", [], 2), []);
});

Deno.test("the owners do not depend on the order of the members", () => {
  for (const task of TASKS) {
    assertEquals(
      owners(task, MEMBERS, 2),
      owners(task, MEMBERS.toReversed(), 2),
    );
  }
});

Deno.test("when a member goes only its tasks move", () => {
  for (const task of TASKS) {
    const before = owners(task, MEMBERS, 2);
    const after = owners(task, ["a", "b", "d"], 2);
    if (!before.includes("c")) assertEquals(after, before);
    else assert(before.every((one) => one === "c" || after.includes(one)));
  }
});

Deno.test("members own about the same number of tasks", () => {
  const counts = new Map<string, number>();
  for (const task of TASKS) {
    for (const owner of owners(task, MEMBERS, 2)) {
      counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
  }
  const fair = TASKS.length * 2 / MEMBERS.length;
  for (const [member, count] of counts) {
    assertLess(Math.abs(count - fair), fair / 10, `${member}: ${count}`);
  }
});
