/**
 * JSON of an answer, an event or a message, bounded in elements before anything is made of them: two bytes of text can be
 * an object of fifty and a check of each of its fields.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;

/** A page of a thousand workspaces with their agents has half as many. */
export const MAX_JSON_ELEMENTS = 300_000;
/** `{},` is the shortest way to have one more. */
const MIN_CHARS_FOR_TWO = 3;

export type JsonResult =
  | { readonly kind: "json"; readonly json: unknown }
  | { readonly kind: "notJson" }
  | { readonly kind: "tooMany" };

export function parseJson(text: string): JsonResult {
  if (hasTooManyElements(text)) return { kind: "tooMany" };
  try {
    return { kind: "json", json: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: "notJson" };
    throw error;
  }
}

/** One pass over the text, which need be no JSON: what opens or separates elements outside strings is counted. */
function hasTooManyElements(text: string): boolean {
  if (text.length < MAX_JSON_ELEMENTS * MIN_CHARS_FOR_TWO / 2) return false;
  let count = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) isString = !isString;
    else if (isString && char === BACKSLASH) i++;
    else if (!isString && (char === COMMA || char === OPEN_LIST || char === OPEN_OBJECT)) {
      if (++count > MAX_JSON_ELEMENTS) return true;
    }
  }
  return false;
}
