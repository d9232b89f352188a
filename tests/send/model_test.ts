/**
 * Random scripts, each run against the model in `sender_model.ts`.
 * `MODEL_RUNS=100000` runs more of them, `MODEL_SEED=1` repeats some.
 */

import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import { SenderModel, type Setup, SIGNALS, type Step } from "./sender_model.ts";

const numRuns = Number(Deno.env.get("MODEL_RUNS") ?? 1_000);
const seed = Number(Deno.env.get("MODEL_SEED") ?? Date.now() % 2 ** 31);

const setups = fc.record<Setup>({
  mode: fc.constantFrom("unflushed", "none", "acknowledged"),
  overflow: fc.constantFrom("wait", "reject", "drop-oldest", "drop-newest"),
  maxSize: fc.constantFrom(1, 2, 3, 4, 5, 6, 40),
  maxBytes: fc.constantFrom(120, 360, 4_000),
  ackWindow: fc.constantFrom(1, 2, 3, 4, 5, 6, 30),
  plain: fc.constantFrom(0, 8, 10),
  socket: fc.record({
    bytes: fc.constantFrom(50, 200),
    messages: fc.constantFrom(2, 5, 100),
    reportsProgress: fc.boolean(),
  }),
  rate: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    { messages: 1, interval: 3 },
    { messages: 3, interval: 20 },
  ),
  spool: fc.constantFrom(undefined, undefined, 0, 3),
  onDrop: fc.constantFrom(
    "nothing",
    "nothing",
    "trySend",
    "clear",
    "flush",
    "replace",
  ),
});

const sends = fc.record<Step & { do: "send" }>({
  do: fc.constant("send"),
  how: fc.constantFrom("send", "trySend"),
  size: fc.constantFrom(0, 7, 10, 20, 80, 160),
  binary: fc.boolean(),
  turn: fc.nat(9),
  ttl: sometimes(fc.integer({ min: 1, max: 30 })),
  key: sometimes(fc.constantFrom("a", "b")),
  signal: sometimes(fc.nat(SIGNALS - 1)),
  targeted: fc.boolean(),
});

const cuts = fc.record<Step & { do: "cut" }>({
  do: fc.constant("cut"),
  unseen: fc.nat(3),
  open: fc.boolean(),
  tooLarge: fc.boolean(),
});

const others = fc.oneof<fc.Arbitrary<Step>[]>(
  fc.nat(SIGNALS - 1).map((signal) => ({ do: "abort", signal })),
  fc.constantFrom(0, 5).map((size) => ({ do: "urgent", size })),
  fc.constantFrom<Step>(
    { do: "flush" },
    { do: "close" },
    { do: "pause" },
    { do: "clear" },
    { do: "open" },
    { do: "rotate" },
    { do: "release" },
    { do: "burst" },
  ),
  fc.integer({ min: 1, max: 20 }).map((ms) => ({ do: "late", ms })),
  fc.integer({ min: 1, max: 20 }).map((ms) => ({ do: "step", ms })),
  fc.constantFrom("well" as const, "full" as const, "broken" as const)
    .map((state) => ({ do: "disk", state })),
);

const steps = fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
  { weight: 10, arbitrary: sends },
  { weight: 6, arbitrary: fc.constant({ do: "turn" }) },
  { weight: 4, arbitrary: fc.constant({ do: "attach" }) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 5 })
      .map((count) => ({ do: "drain", count })),
  },
  {
    weight: 3,
    arbitrary: fc.array(fc.nat(7), { maxLength: 3 })
      .map((picks) => ({ do: "acknowledge", picks })),
  },
  { weight: 5, arbitrary: others },
  { weight: 2, arbitrary: cuts },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 20 })
      .map((ms) => ({ do: "advance", ms })),
  },
);

function sometimes<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined, freq: 2 });
}

Deno.test("what is accepted is delivered, dropped for a true reason, or kept, in order", async () => {
  console.log(`MODEL_SEED=${seed} MODEL_RUNS=${numRuns}`);
  const scripts = fc.array(steps, { minLength: 5, maxLength: 60, size: "max" });
  await fc.assert(
    fc.asyncProperty(setups, scripts, fc.boolean(), runScript),
    { numRuns, seed },
  );
});

async function runScript(
  setup: Setup,
  script: readonly Step[],
  finishes: boolean,
): Promise<void> {
  using time = new FakeTime(1_000_000);
  const model = new SenderModel(setup, time);
  for (const step of script) await model.run(step);
  if (finishes) await model.finish();
  await model.end();
}
