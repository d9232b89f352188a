// @ts-types="./deadline.d.ts"
export {
  deadline,
  type DeadlineOptions,
} from "npm:deno-std@1.4.0/async/deadline.js";
