/** The line that shows a wait on a terminal: a state in, a line out. `progress.ts` draws it. */
import { formatElapsed } from "../../base/duration.ts";

export interface SpinnerState {
  readonly what: string;
  readonly elapsedMs: number;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/** How long each frame stands. */
export const FRAME_MS = 100;

/** One line of at most `width` columns, without line end. */
export function renderSpinner(state: SpinnerState, width: number): string {
  const frame = FRAMES[Math.floor(state.elapsedMs / FRAME_MS) % FRAMES.length] ?? "";
  const elapsed = ` (${formatElapsed(Math.floor(state.elapsedMs / 1_000) * 1_000)})`;
  const room = Math.max(0, width - frame.length - 1 - elapsed.length);
  return `${frame} ${clip(state.what, room)}${elapsed}`.slice(0, Math.max(0, width));
}

/** `text` in at most `width` columns, with an ellipsis when it was cut. Counts code points, not cells. */
export function clip(text: string, width: number): string {
  const points = [...text];
  if (points.length <= width) return text;
  return width <= 0 ? "" : `${points.slice(0, width - 1).join("")}…`;
}
