/** The names that are known one by one: a plain `string` says nothing. */
type Known<TName> = string extends TName ? never : Extract<TName, string>;

type Negated<TName, TNegatable> = TName extends TNegatable ? false : never;

/** The options by name, before defaults and aliases. */
type Options<TBoolean, TString, TCollect, TNegatable> =
  & { [Name in Exclude<TBoolean & string, TCollect>]: boolean }
  & { [Name in Extract<TBoolean & string, TCollect>]: boolean[] }
  & {
    [Name in Exclude<TString & string, TCollect>]?:
      | string
      | Negated<Name, TNegatable>;
  }
  & {
    [Name in Extract<TString & string, TCollect>]:
      | string[]
      | Negated<Name, TNegatable>;
  }
  & {
    [Name in Exclude<TCollect & string, TBoolean | TString>]:
      | unknown[]
      | Negated<Name, TNegatable>;
  };

/** An option with a default is there, with its own type or the default's. */
type WithDefaults<TOptions, TDefault> =
  & Omit<TOptions, keyof TDefault>
  & {
    [Name in keyof TDefault]: Name extends keyof TOptions
      ? TDefault[Name] | NonNullable<TOptions[Name]>
      : unknown;
  };

/** The names of one option: its own, and its aliases. */
type AllNames<TName, TAlias> = TName extends keyof TAlias
  ? TName | Known<TAlias[TName] extends (infer Name)[] ? Name : TAlias[TName]>
  : TName;

type WithAliases<TOptions, TAlias> = {
  [Name in keyof TOptions as AllNames<Name, TAlias>]: TOptions[Name];
};

/** With no option named, nothing is known of any. */
type Values<TBoolean, TString, TCollect, TNegatable, TDefault, TAlias> =
  [TBoolean, TString, TCollect] extends [never, never, never]
    // deno-lint-ignore no-explicit-any
    ? Record<string, any>
    :
      & Record<string, unknown>
      & WithAliases<
        WithDefaults<
          Options<Known<TBoolean>, Known<TString>, Known<TCollect>, TNegatable>,
          TDefault
        >,
        TAlias
      >;

type DoubleDash<TDoubleDash> = boolean extends TDoubleDash ? { "--"?: string[] }
  : TDoubleDash extends true ? { "--": string[] }
  : unknown;

type Flat<T> = T extends infer U ? { [Key in keyof U]: U[Key] } : never;

/** What {@linkcode parseArgs} returns. */
export type Args<
  // deno-lint-ignore no-explicit-any
  TValues extends Record<string, unknown> = Record<string, any>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flat<
  & TValues
  & {
    /** The arguments that belong to no option. */
    _: (string | number)[];
  }
  & DoubleDash<TDoubleDash>
>;

/** Options for {@linkcode parseArgs}. */
export interface ParseOptions<
  TBoolean extends boolean | string | undefined = boolean | string | undefined,
  TString extends string | undefined = string | undefined,
  TCollect extends string | undefined = string | undefined,
  TNegatable extends string | undefined = string | undefined,
  TDefault extends Record<string, unknown> | undefined =
    | Record<string, unknown>
    | undefined,
  TAlias = Record<string, string | readonly string[]> | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /**
   * Whether what follows `--` goes to `"--"` instead of `_`.
   *
   * @default {false}
   */
  "--"?: TDoubleDash;
  /** Other names for options. */
  alias?: TAlias;
  /** Options without a value; `true` makes all of the form `--name` so. */
  boolean?: TBoolean | readonly Extract<TBoolean, string>[];
  /** Values for options that are absent. */
  default?: TDefault;
  /**
   * Whether all that follows the first argument that is no option goes to `_`.
   *
   * @default {false}
   */
  stopEarly?: boolean;
  /** Options whose value stays a text. */
  string?: TString | readonly Extract<TString, string>[];
  /** Options that can be repeated. */
  collect?: TCollect | readonly Extract<TCollect, string>[];
  /** Options that `--no-name` sets to false. */
  negatable?: TNegatable | readonly Extract<TNegatable, string>[];
  /** Is told what no option names; returning false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/**
 * Takes a command line apart.
 *
 * Narrower than the original in one point: a name with a dot makes a nested
 * value there, and is not typed here.
 */
export declare function parseArgs<
  TBoolean extends boolean | string | undefined = never,
  TString extends string | undefined = never,
  TCollect extends string | undefined = never,
  TNegatable extends string | undefined = never,
  TDefault extends Record<string, unknown> | undefined = Record<never, never>,
  TAlias extends
    | Partial<Record<string, TAliasName | readonly TAliasName[]>>
    | undefined = undefined,
  TDoubleDash extends boolean | undefined = undefined,
  TAliasName extends string = string,
>(
  args: string[],
  options?: ParseOptions<
    TBoolean,
    TString,
    TCollect,
    TNegatable,
    TDefault,
    TAlias,
    TDoubleDash
  >,
): Args<
  Values<TBoolean, TString, TCollect, TNegatable, TDefault, TAlias>,
  TDoubleDash
>;
