/**
 * Inputs made from other inputs: flipped, cut, joined and repeated, with numbers at the bounds of their fields. Random
 * bytes alone never find what takes quadratic time: long runs of one byte and deep nesting are made on purpose.
 */
import { concatBytes } from "../../lib/base/bytes.ts";
import type { SeededRandom } from "../support/seeded_random.ts";

/** Longest input; longer ones are cut. */
export const MAX_INPUT_BYTES = 65_536;

const BOUNDS = [
  0,
  1,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0xffff,
  0x1_0000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
];
const RUN_BYTES = new TextEncoder().encode(" \t\r\n/\\.,;:-_=\"'0aZ{[(<\0");
const OPENERS = ["[", "{", '{"a":', "(", "<a>", "\x0a\x02"];
const TOKENS = [
  "\r\n",
  "\n\n",
  "\r\n\r\n",
  "data: ",
  "null",
  "-1",
  "1e999",
  "NaN",
  "%",
  "%00",
  "..",
  "~",
  "${",
  "$HOME",
  "\u001b[2J",
  "\u202e",
  "\ufeff",
  "--",
  "=",
  "|1|",
  "[::1]",
  "[",
  "]",
  "@",
  "https://",
  "socks5://",
  "file:",
  "\\",
  "99999999999999999999",
];

type Mutation = (
  input: Uint8Array,
  random: SeededRandom,
  corpus: readonly Uint8Array[],
) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  setBytes,
  cut,
  removeMiddle,
  repeatPart,
  insertRun,
  nest,
  joinWithOther,
  setNumber,
  insertToken,
  insertRandom,
];

/** One input: mostly a few mutations of one of the corpus, now and then something random. */
export function mutate(corpus: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  if (corpus.length === 0 || random.chance(0.05)) return randomBytes(random, random.below(300));
  let input = pick(corpus, random);
  const rounds = random.below(5);
  for (let i = 0; i < rounds; i++) input = pick(MUTATIONS, random)(input, random, corpus);
  return input.length > MAX_INPUT_BYTES ? input.slice(0, MAX_INPUT_BYTES) : input;
}

function pick<T>(from: readonly T[], random: SeededRandom): T {
  const one = from[random.below(from.length)];
  if (one === undefined) throw new RangeError("Cannot pick from nothing");
  return one;
}

function randomBytes(random: SeededRandom, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random.fill(bytes);
  return bytes;
}

function flipBits(input: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = input.slice();
  for (let i = 0; i <= random.below(4) && copy.length > 0; i++) {
    const at = random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
  }
  return copy;
}

function setBytes(input: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = input.slice();
  for (let i = 0; i <= random.below(6) && copy.length > 0; i++) {
    copy[random.below(copy.length)] = random.chance(0.5)
      ? random.below(256)
      : pick([0, 255, 10, 32], random);
  }
  return copy;
}

function cut(input: Uint8Array, random: SeededRandom): Uint8Array {
  return input.slice(0, random.below(input.length + 1));
}

function removeMiddle(input: Uint8Array, random: SeededRandom): Uint8Array {
  const from = random.below(input.length + 1);
  const to = from + random.below(Math.min(64, input.length - from) + 1);
  return concatBytes(input.subarray(0, from), input.subarray(to));
}

function repeatPart(input: Uint8Array, random: SeededRandom): Uint8Array {
  const from = random.below(input.length + 1);
  const part = input.subarray(from, from + 1 + random.below(200));
  const times = random.chance(0.05) ? 1 + random.below(2_000) : 1 + random.below(4);
  const room = Math.floor((MAX_INPUT_BYTES - input.length) / Math.max(1, part.length));
  const copies = Array.from({ length: Math.max(0, Math.min(times, room)) }, () => part);
  return concatBytes(input.subarray(0, from), ...copies, input.subarray(from));
}

/** A long run of one byte, with something behind it: what backtracks over it takes quadratic time. */
function insertRun(input: Uint8Array, random: SeededRandom): Uint8Array {
  const length = random.chance(0.02) ? 30_000 + random.below(30_000) : random.below(400);
  const run = new Uint8Array(length).fill(pick([...RUN_BYTES], random));
  const at = random.below(input.length + 1);
  return concatBytes(input.subarray(0, at), run, input.subarray(at));
}

function nest(input: Uint8Array, random: SeededRandom): Uint8Array {
  const depth = random.chance(0.05) ? 5_000 : random.below(60);
  const opening = new TextEncoder().encode(pick(OPENERS, random).repeat(depth));
  const at = random.below(input.length + 1);
  return concatBytes(input.subarray(0, at), opening, input.subarray(at));
}

function joinWithOther(
  input: Uint8Array,
  random: SeededRandom,
  corpus: readonly Uint8Array[],
): Uint8Array {
  const other = pick(corpus, random);
  const at = random.chance(0.5) ? input.length : random.below(input.length + 1);
  return concatBytes(input.subarray(0, at), other.subarray(random.below(other.length + 1)));
}

/** A number at a bound, in the widths and byte orders that fields have. */
function setNumber(input: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = input.slice();
  const width = pick([1, 2, 4, 8], random);
  if (copy.length < width) return copy;
  const view = new DataView(copy.buffer);
  const at = random.below(copy.length - width + 1);
  const value = pick(BOUNDS, random) + random.below(3) - 1;
  const isLittle = random.chance(0.5);
  if (width === 1) view.setUint8(at, value);
  else if (width === 2) view.setUint16(at, value, isLittle);
  else if (width === 4) view.setUint32(at, value, isLittle);
  else view.setBigInt64(at, BigInt(value) << BigInt(random.below(33)), isLittle);
  return copy;
}

function insertToken(input: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(input.length + 1);
  const token = new TextEncoder().encode(pick(TOKENS, random));
  return concatBytes(input.subarray(0, at), token, input.subarray(at));
}

function insertRandom(input: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(input.length + 1);
  return concatBytes(
    input.subarray(0, at),
    randomBytes(random, 1 + random.below(16)),
    input.subarray(at),
  );
}
