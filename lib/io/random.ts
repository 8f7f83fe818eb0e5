/** Real randomness, the only place that draws it. */
import type { Random } from "../base/core.ts";

/** `crypto.getRandomValues` refuses more at once. */
const MAX_DRAW_BYTES = 65_536;

export const SYSTEM_RANDOM: Random = {
  fill(bytes) {
    for (let at = 0; at < bytes.length; at += MAX_DRAW_BYTES) {
      const part = new Uint8Array(Math.min(MAX_DRAW_BYTES, bytes.length - at));
      crypto.getRandomValues(part);
      bytes.set(part, at);
    }
  },
};
