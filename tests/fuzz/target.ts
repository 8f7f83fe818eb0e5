/** What the fuzzer runs: one decoder or one live core, with inputs that it takes to start from. */
import type { SeededRandom } from "../support/seeded_random.ts";

export interface FuzzTarget {
  /** The room of `lib/` that it belongs to, for `--room`. */
  readonly room: string;
  readonly name: string;
  /** Inputs that are right, or nearly: mutations begin from them. */
  readonly corpus: readonly Uint8Array[];
  /**
   * What an input may throw. @default nothing: datagram decoders and live cores take anything
   */
  readonly isDeclared?: (error: unknown) => boolean;
  /** Waited for before each input, and not timed: a live core that has ended is made anew. @default nothing */
  prepare?(): Promise<void>;
  /** Takes one input. A live core lives on from input to input; `random` decides splits and times. */
  run(input: Uint8Array, random: SeededRandom): void | Promise<void>;
  /** Called after the last input: lets go of what lives. */
  end?(): Promise<void>;
}

/** A target that reads text: bytes become UTF-8, as everywhere at the edge of the program. */
export function textTarget(
  target: Omit<FuzzTarget, "corpus" | "run"> & {
    readonly corpus: readonly string[];
    readonly run: (text: string, random: SeededRandom) => void;
  },
): FuzzTarget {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const { run, corpus, ...rest } = target;
  return {
    ...rest,
    corpus: corpus.map((text) => encoder.encode(text)),
    run: (input, random) => run(decoder.decode(input), random),
  };
}

/** The input in pieces of random sizes, empty ones among them. */
export function* pieces(input: Uint8Array, random: SeededRandom): Generator<Uint8Array> {
  const most = random.chance(0.3) ? 3 : random.chance(0.5) ? 64 : Math.max(1, input.length);
  for (let at = 0; at < input.length;) {
    const count = random.below(most + 1);
    yield input.subarray(at, at + count);
    at += count;
  }
}
