/** One CSV record (RFC 4180), as strictly as Go's `encoding/csv` reads it: the grammar of repeatable flags. */
import { FlagValueError } from "./flag_error.ts";

/** The fields of the first record of `text`. Throws `FlagValueError` for a stray or missing quote. */
export function parseCsvRecord(text: string): string[] {
  const input = text.replace(/\r\n/g, "\n").replace(/^\n+/, "");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const field = input[at] === '"' ? quotedField(input, at) : plainField(input, at);
    fields.push(field.value);
    at = field.end;
    if (input[at] !== ",") return fields;
    at++;
  }
}

interface Field {
  readonly value: string;
  /** Where the comma, the line feed or the end is. */
  readonly end: number;
}

function plainField(input: string, start: number): Field {
  let end = start;
  while (end < input.length && input[end] !== "," && input[end] !== "\n") {
    if (input[end] === '"') throw errorAt(input, end, 'bare " in non-quoted-field');
    end++;
  }
  return { value: input.slice(start, end), end };
}

function quotedField(input: string, start: number): Field {
  let value = "";
  let at = start + 1;
  for (;;) {
    const quote = input.indexOf('"', at);
    if (quote === -1) {
      throw errorAt(input, input.length, 'extraneous or missing " in quoted-field');
    }
    value += input.slice(at, quote);
    const next = input[quote + 1];
    if (next === '"') {
      value += '"';
      at = quote + 2;
    } else if (next === undefined || next === "," || next === "\n") {
      return { value, end: quote + 1 };
    } else {
      throw errorAt(input, quote, 'extraneous or missing " in quoted-field');
    }
  }
}

function errorAt(input: string, offset: number, problem: string): FlagValueError {
  const before = input.slice(0, offset).split("\n");
  const column = (before.at(-1) ?? "").length + 1;
  return new FlagValueError(`parse error on line ${before.length}, column ${column}: ${problem}`);
}
