/**
 * Random lives of a spool: sends, links, cuts, orderly ends and crashes. A
 * crash is what `kill -9` leaves: the files as they are at some moment.
 * `SPOOL_RUNS=1000` runs more of them, `MODEL_SEED=1` repeats some.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { WSError } from "../../src/errors.ts";
import { Outbound } from "../../src/outbound/outbound.ts";
import { FakeSink, ManualWaits } from "../support/fake_sink.ts";
import { TempFile } from "../support/temp_file.ts";

type Step =
  | { readonly do: "send"; readonly count: number; readonly key?: string }
  | { readonly do: "trySend" | "attach" | "cut" | "crash" | "restart" }
  | { readonly do: "drain"; readonly count: number };

const numRuns = Number(Deno.env.get("SPOOL_RUNS") ?? 40);
const seed = Number(Deno.env.get("MODEL_SEED") ?? Date.now() % 2 ** 31);
const STOPPED = new WSError("stopped", { code: "STOPPED", severity: "fatal" });

const steps = fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 4 }),
      key: fc.constantFrom("a", "b", undefined, undefined),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "trySend" }) },
  { weight: 3, arbitrary: fc.constant({ do: "attach" }) },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 6 })
      .map((count) => ({ do: "drain", count })),
  },
  { weight: 2, arbitrary: fc.constant({ do: "cut" }) },
  { weight: 2, arbitrary: fc.constant({ do: "crash" }) },
  { weight: 1, arbitrary: fc.constant({ do: "restart" }) },
);

Deno.test("what a spool has accepted is sent, in order, through ends and crashes", async () => {
  console.log(`MODEL_SEED=${seed} SPOOL_RUNS=${numRuns}`);
  const scripts = fc.array(steps, { minLength: 5, maxLength: 30, size: "max" });
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      using files = new TempFile();
      const life = new Life(files);
      await life.begin();
      for (const step of script) await life.run(step);
      await life.finish();
    }),
    { numRuns, seed },
  );
});

/** One spool, from process to process. */
class Life {
  readonly #files: TempFile;
  #path: string;
  #waits = new ManualWaits();
  #out: Outbound;
  #sink: FakeSink | undefined;
  #serial = 0;
  #lives = 0;
  /** Accepted, in the order of the queue, and neither settled nor replaced. */
  #owed: string[] = [];
  /** Settled: may be sent again after a crash, and only then. */
  readonly #settled = new Set<string>();
  readonly #byKey = new Map<string, string>();
  /** What is to replace which. */
  readonly #replacements = new Map<string, string>();
  /** What this process has handed over and not been told about. */
  #inFlight: string[] = [];

  constructor(files: TempFile) {
    this.#files = files;
    this.#path = files.path;
    this.#out = this.#make();
  }

  async begin(): Promise<void> {
    await this.#out.open();
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case "send":
        // Keys of its own for each life: whether the file still has what was
        // settled just before a crash, and so can be replaced, nobody knows.
        return await this.#send(
          step.count,
          step.key && `${step.key} ${this.#lives}`,
        );
      case "trySend":
        await this.#accept(this.#next(), undefined, async (text) => {
          assert(this.#out.trySend(text));
          await this.#out.flush(0);
        });
        return;
      case "attach":
        return this.#attach();
      case "drain":
        this.#sink?.drain(step.count);
        this.#waits.pass();
        return this.#learn();
      case "cut":
        this.#out.detach();
        this.#learn();
        return this.#unlink();
      case "crash":
        return await this.#crash();
      case "restart":
        this.#out.end(STOPPED);
        this.#learn();
        return await this.#restart();
      default:
        step satisfies never;
    }
  }

  /** In the end everything that is owed is sent. */
  async finish(): Promise<void> {
    this.#out.detach();
    this.#learn();
    this.#unlink();
    this.#attach();
    for (let round = 0; !(await this.#out.flush(0)); round++) {
      assert(round < 100, `still owed: ${this.#owed}`);
      this.#sink?.drain();
      this.#waits.pass();
      this.#learn();
    }
    assertEquals(this.#owed, []);
    assertEquals(this.#out.end(STOPPED).unsent, 0);
    await this.#restart();
    assertEquals(this.#out.queued, 0, "nothing is left in the file");
    this.#out.end(STOPPED);
  }

  async #send(count: number, key: string | undefined): Promise<void> {
    const sent = Array.from({ length: count }, () =>
      this.#accept(
        this.#next(),
        key,
        (text) => this.#out.send(text, key === undefined ? {} : { key }),
      ));
    await Promise.all(sent);
  }

  #next(): string {
    return `${this.#serial++} `.padEnd(this.#serial % 7 === 0 ? 40_000 : 4);
  }

  async #accept(
    text: string,
    key: string | undefined,
    send: (text: string) => Promise<void>,
  ): Promise<void> {
    const old = key === undefined ? undefined : this.#byKey.get(key);
    if (old !== undefined && this.#owed.includes(old)) {
      this.#owed[this.#owed.indexOf(old)] = text;
      this.#replacements.set(old, text);
    } else {
      this.#owed.push(text);
    }
    if (key !== undefined) this.#byKey.set(key, text);
    await send(text);
    if (old !== undefined) this.#replacements.delete(old);
  }

  #attach(): void {
    if (this.#sink !== undefined) return;
    this.#sink = new FakeSink((message) => this.#onSent(String(message)));
    this.#out.attach(this.#sink);
  }

  #onSent(text: string): void {
    this.#escaped(text);
    for (const [key, last] of this.#byKey) {
      // A socket has it: nothing replaces it any more.
      if (last === text) this.#byKey.delete(key);
    }
    const expected = this.#owed.find((owed) => !this.#inFlight.includes(owed));
    if (text === expected) this.#inFlight.push(text);
    else assert(this.#settled.has(text), `${text} and not ${expected}`);
  }

  /** It went out before what was to replace it was on the disk. */
  #escaped(text: string): void {
    const replacement = this.#replacements.get(text);
    if (replacement === undefined || this.#settled.has(text)) return;
    this.#owed[this.#owed.indexOf(replacement)] = text;
    const next = this.#owed.findIndex((owed) =>
      parseInt(owed) > parseInt(replacement)
    );
    this.#owed.splice(next < 0 ? this.#owed.length : next, 0, replacement);
    this.#replacements.delete(text);
  }

  /** What the network has taken, and the pump has seen, is settled. */
  #learn(): void {
    const flushed = this.#sink?.sent.slice(0, this.#sink.flushed).map(String);
    for (const text of flushed ?? []) {
      this.#settled.add(text);
      this.#owed = this.#owed.filter((owed) => owed !== text);
    }
  }

  #unlink(): void {
    this.#sink = undefined;
    this.#inFlight = [];
  }

  async #crash(): Promise<void> {
    const path = `${this.#files.folder}/life-${this.#lives}`;
    for (const ending of ["", "-wal"]) {
      Deno.copyFileSync(this.#path + ending, path + ending);
    }
    this.#out.end(STOPPED);
    this.#path = path;
    await this.#restart();
  }

  async #restart(): Promise<void> {
    this.#lives++;
    this.#unlink();
    this.#waits = new ManualWaits();
    this.#out = this.#make();
    await this.#out.open();
  }

  #make(): Outbound {
    return new Outbound({
      sendQueueMaxSize: 1_000,
      sendQueueMaxBytes: 10_000_000,
      overflow: "wait",
      redeliver: "unflushed",
      spool: this.#path,
    }, {
      onDrop: (_, reason) => assertEquals(reason, "replaced"),
      onError: (error) => {
        throw error;
      },
      mayWait: () => undefined,
      waits: this.#waits,
    });
  }
}
