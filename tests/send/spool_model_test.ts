/**
 * Random lives of a spool: sends, links, cuts, orderly ends and crashes. A
 * crash is what `kill -9` leaves: the files as they are at some moment.
 * `SPOOL_RUNS=1000` runs more of them, `MODEL_SEED=1` repeats some.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Sender } from "../../src/send/sender.ts";
import { TempFile } from "../support/temp_file.ts";
import { FakeSocket, ManualTurns, NATIVE } from "./fake_socket.ts";
import { DEFAULTS, STOPPED } from "./set_up.ts";

type Step =
  | { readonly do: "send"; readonly count: number; readonly key?: string }
  | { readonly do: "trySend" | "attach" | "cut" | "crash" | "restart" }
  | { readonly do: "drain"; readonly count: number };

const numRuns = Number(Deno.env.get("SPOOL_RUNS") ?? 20);
const seed = Number(Deno.env.get("MODEL_SEED") ?? Date.now() % 2 ** 31);

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
  #turns = new ManualTurns();
  #sender: Sender;
  #socket: FakeSocket | undefined;
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
    this.#sender = this.#make();
  }

  async begin(): Promise<void> {
    await this.#sender.open();
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
          assert(this.#sender.trySend(text));
          this.#turns.pass();
          await Promise.resolve();
        });
        return;
      case "attach":
        return this.#attach();
      case "drain":
        this.#socket?.drain(step.count);
        this.#turns.pass();
        return this.#learn();
      case "cut":
        this.#sender.detach({ flushed: false });
        this.#learn();
        return this.#unlink();
      case "crash":
        return await this.#crash();
      case "restart":
        this.#sender.end(STOPPED);
        this.#learn();
        return await this.#restart();
      default:
        step satisfies never;
    }
  }

  /** In the end everything that is owed is sent. */
  async finish(): Promise<void> {
    this.#sender.detach({ flushed: false });
    this.#learn();
    this.#unlink();
    this.#attach();
    for (let round = 0; !(await this.#sender.flush(0)); round++) {
      assert(round < 100, `still owed: ${this.#owed}`);
      this.#socket?.drain();
      this.#turns.pass();
      this.#learn();
    }
    assertEquals(this.#owed, []);
    assertEquals(this.#sender.end(STOPPED).unsent, 0);
    await this.#restart();
    assertEquals(this.#sender.stats.queued, 0, "nothing is left in the file");
    this.#sender.end(STOPPED);
  }

  async #send(count: number, key: string | undefined): Promise<void> {
    const sent = Array.from({ length: count }, () =>
      this.#accept(
        this.#next(),
        key,
        (text) => this.#sender.send(text, key === undefined ? {} : { key }),
      ));
    this.#turns.pass();
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
    if (this.#socket !== undefined) return;
    this.#socket = new FakeSocket(
      NATIVE,
      (message) => this.#onSent(String(message)),
    );
    this.#sender.attach(this.#socket);
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
    const flushed = this.#socket?.sent.slice(0, this.#socket.flushed).map(
      String,
    );
    for (const text of flushed ?? []) {
      this.#settled.add(text);
      this.#owed = this.#owed.filter((owed) => owed !== text);
    }
  }

  #unlink(): void {
    this.#socket = undefined;
    this.#inFlight = [];
  }

  async #crash(): Promise<void> {
    const path = `${this.#files.folder}/life-${this.#lives}.db`;
    for (const name of this.#files.names()) {
      const from = `${this.#files.folder}/${name}`;
      if (!from.startsWith(this.#path)) continue;
      Deno.copyFileSync(from, path + from.slice(this.#path.length));
    }
    this.#sender.end(STOPPED);
    this.#path = path;
    await this.#restart();
  }

  async #restart(): Promise<void> {
    this.#lives++;
    this.#unlink();
    this.#turns = new ManualTurns();
    this.#sender = this.#make();
    await this.#sender.open();
  }

  #make(): Sender {
    return new Sender({
      ...DEFAULTS,
      sendQueueMaxBytes: 100_000_000,
      spool: this.#path,
    }, {
      notifier: {
        drop: (_, reason) => assertEquals(reason, "replaced"),
        error: (error) => {
          throw error;
        },
      },
      refuseToWait: () => undefined,
      turn: this.#turns.turn,
    });
  }
}
