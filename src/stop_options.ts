/**
 * The former place of these options; they are in `method_options.ts`.
 *
 * @module
 */

export {
  resolveStopOptions,
  type StopOptions,
  type StopResult,
} from "./method_options.ts";
