/**
 * Fields as Coder's JSON writes them (docs/protocol/api.md#values): absent and `null` are the same, the year 0001 is no time,
 * lists may be `null`, enumerations are open. Models pass unknown fields by; only core fields are demanded.
 */
import * as v from "valibot";
import { webUrl } from "./url.ts";

/** An optional time as milliseconds since 1970, with a fraction. */
export const TIME = v.pipe(v.nullish(v.string(), ""), v.transform(timeMs));

/** Milliseconds since 1970 of an RFC 3339 text; `undefined` for an empty, zero or unreadable one. */
export function timeMs(text: string): number | undefined {
  if (text === "" || text.startsWith("0001-")) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  // Go writes up to nanoseconds, `Date` keeps three digits: differences would be off by one.
  const beyond = /\.\d{3}(\d+)/.exec(text)?.[1];
  return beyond === undefined ? ms : ms + Number(`0.${beyond}`);
}

/** Names, states and sentences; log lines have a limit of their own. */
const MAX_TEXT_CHARS = 16_384;

const cut = (text: string): string =>
  text.length > MAX_TEXT_CHARS ? text.slice(0, MAX_TEXT_CHARS) : text;

/** Optional text, empty when absent. */
export const TEXT = v.pipe(v.nullish(v.string(), ""), v.transform(cut));

/** Text that must be there. */
export const NEEDED_TEXT = v.pipe(v.string(), v.transform(cut));

/** What names an object. It becomes part of paths, of requests and of files, so it is never anything else. */
export const ID = v.pipe(v.string(), v.uuid("a UUID"));

/** The same where older servers have none: empty then. */
export const OPTIONAL_ID = v.nullish(v.union([ID, v.literal("")]), "");

/** Numbers of log lines: increasing, not dense. */
export const LOG_ID = v.pipe(v.number(), v.safeInteger("a whole number"));

/** An optional address of a page, empty when absent or when it is none (`webUrl`). */
export const WEB_URL = v.pipe(TEXT, v.transform(webUrl));

/** Optional number, 0 when absent. */
export const COUNT = v.nullish(v.pipe(v.number(), v.finite("a number")), 0);

const UNSET = false;

/** Optional boolean, false when absent. */
export const FLAG = v.nullish(v.boolean(), UNSET);

/** An optional list, empty when absent. */
export function list<Item extends v.GenericSchema>(item: Item) {
  return v.nullish(v.array(item), []);
}
