/**
 * The former place of these rules; they are in `rules.ts`.
 *
 * @module
 */

export { checkHeaders, checkSubprotocols, checkUrl } from "./rules.ts";
