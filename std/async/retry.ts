// @ts-types="./retry.d.ts"
export {
  retry,
  RetryError,
  type RetryOptions,
} from "npm:deno-std@1.4.0/async/retry.js";
