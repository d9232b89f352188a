/** Options of `parseArgs`. */
export interface ParseOptions<
  TBoolean extends string,
  TString extends string,
  TCollect extends string,
  TNegatable extends string,
  TDefault extends Record<string, unknown>,
  TDoubleDash extends boolean,
> {
  /** Whether what follows `--` is kept apart. */
  "--"?: TDoubleDash;
  /** Other names of an option. */
  alias?: Record<string, string | readonly string[]>;
  /** Options without a value. */
  boolean?: boolean | TBoolean | readonly TBoolean[];
  /** Values of options that are absent. */
  default?: TDefault;
  /** Whether the first argument that is no option ends the options. */
  stopEarly?: boolean;
  /** Options whose value is a text. */
  string?: TString | readonly TString[];
  /** Options that may come more than once. */
  collect?: TCollect | readonly TCollect[];
  /** Options that `--no-...` sets to false. */
  negatable?: TNegatable | readonly TNegatable[];
  /** Called for what no other option names; false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Takes a command line apart. */
export declare function parseArgs(
  args: string[],
  options?: ParseOptions<
    string,
    string,
    string,
    string,
    Record<string, unknown>,
    boolean
  >,
  // deno-lint-ignore no-explicit-any
): Record<string, any> & { _: (string | number)[] };
