/** The line that shows a wait on a terminal: a state in, a line out. `progress.ts` draws it. */
import { cellsOf, clip } from "../../base/cells.ts";
import { formatElapsed } from "../../base/duration.ts";

export interface SpinnerState {
  readonly what: string;
  readonly elapsedMs: number;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** How long each frame stands. */
export const FRAME_MS = 100;

/** One line of at most `width` cells, without line end. */
export function renderSpinner(state: SpinnerState, width: number): string {
  const frame = FRAMES[Math.floor(state.elapsedMs / FRAME_MS) % FRAMES.length] ?? "";
  const seconds = Math.floor(state.elapsedMs / 1_000);
  const elapsed = ` (${seconds === 0 ? "0s" : formatElapsed(seconds * 1_000)})`;
  const room = width - cellsOf(frame) - 1 - elapsed.length;
  return clip(`${frame} ${clip(state.what, room)}${elapsed}`, width);
}
