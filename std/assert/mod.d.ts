/** Any class, abstract ones too: what the assertions on types compare with. */
// deno-lint-ignore no-explicit-any
type AnyClass<T = any> = abstract new (...args: any[]) => T;

/** What counts as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An array or a typed array, but no string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** What every assertion throws when it does not hold. */
export declare class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** Whether two values are deeply equal. */
export declare function equal(a: unknown, b: unknown): boolean;

/** Holds when `expr` is truthy. */
export declare function assert(expr: unknown, msg?: string): asserts expr;

/** Holds when `expr` is falsy. */
export declare function assertFalse(
  expr: unknown,
  msg?: string,
): asserts expr is Falsy;

/** Holds when the values are deeply equal. */
export declare function assertEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when the values are not deeply equal. */
export declare function assertNotEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when the values are the same by `Object.is`. */
export declare function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;

/** Holds when the values are not the same by `Object.is`. */
export declare function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when the numbers differ by no more than `tolerance`. */
export declare function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void;

/** Holds when `actual > expected`. */
export declare function assertGreater<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when `actual >= expected`. */
export declare function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when `actual < expected`. */
export declare function assertLess<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when `actual <= expected`. */
export declare function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;

/** Holds when `actual` is neither null nor undefined. */
export declare function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T>;

/** Holds when `actual` is an instance of the class. */
export declare function assertInstanceOf<T extends AnyClass>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T>;

/** Holds when `actual` is no instance of the class. */
export declare function assertNotInstanceOf<A, T>(
  actual: A,
  unexpectedType: AnyClass<T>,
  msg?: string,
): asserts actual is Exclude<A, T>;

/** Holds when `error` is an Error of the class with a matching message. */
export declare function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: AnyClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;

/** Holds when the text matches the expression. */
export declare function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;

/** Holds when the text does not match the expression. */
export declare function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void;

/** Holds when the text contains `expected`. */
export declare function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void;

/** Holds when each of the `expected` values is among the actual ones. */
export declare function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void;

/** Holds when all that `expected` names, deeply, is equal in `actual`. */
export declare function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;

/** Holds when `fn` throws; returns what it threw. */
export declare function assertThrows(fn: () => unknown, msg?: string): unknown;

/** Holds when `fn` throws an error of the class; returns the error. */
export declare function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;

/** Holds when the promise of `fn` rejects; resolves to the reason. */
export declare function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;

/** Holds when it rejects with an error of the class; resolves to the error. */
export declare function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: AnyClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;

/** Never holds. */
export declare function fail(msg?: string): never;

/** Throws, for code that is still to be written. */
export declare function unimplemented(msg?: string): never;

/** Throws, for code that is never to be reached. */
export declare function unreachable(msg?: string): never;
