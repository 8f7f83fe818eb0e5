/** Choosing one of many on a terminal: type to narrow, arrows to move, Enter to take. What is drawn and what a key does are pure functions of the state; `prompt.ts` shows it; `pickWorkspace` asks the deployment. */
import { cellsOf, clip, clipStart } from "../../base/cells.ts";
import { UserError } from "../../base/errors.ts";
import { stripToLine } from "../../coder/text.ts";
import type { Workspace } from "../../coder/workspace_model.ts";
import { listWorkspaces } from "../../coder/workspaces.ts";
import type { TerminalSize } from "../../base/host.ts";
import type { Key } from "../terminal/keys.ts";
import { canPrompt, type Prompt, type PromptStep, runPrompt } from "../terminal/prompt.ts";
import { retrying, type Steps } from "./steps.ts";

export interface PickerItem {
  /** What is chosen, and matched against. */
  readonly value: string;
  /** Shown behind it. */
  readonly note: string;
}

export interface PickerState {
  readonly title: string;
  readonly items: readonly PickerItem[];
  readonly filter: string;
  /** Index among the items that match. */
  readonly selected: number;
}

const MAX_FILTER_CHARS = 64;
/** With less room for what was typed, the question gives way to it. */
const MIN_FILTER_CELLS = 6;
const MAX_VISIBLE = 12;

/** The items that hold every word of the filter. */
export function matching(state: PickerState): readonly PickerItem[] {
  const words = state.filter.toLowerCase().split(/\s+/);
  return state.items.filter((item) => words.every((w) => item.value.toLowerCase().includes(w)));
}

export function renderPicker(state: PickerState, size: TerminalSize): readonly string[] {
  const found = matching(state);
  // A line for the title, one for how many more there are, and one that stays empty, as long as there are lines enough.
  const visible = Math.max(1, Math.min(MAX_VISIBLE, size.rows - 3));
  const first = Math.min(
    Math.max(0, state.selected - Math.floor(visible / 2)),
    Math.max(0, found.length - visible),
  );
  const rows = found.slice(first, first + visible).map((item, i) => {
    const mark = first + i === state.selected ? ">" : " ";
    return clip(`${mark} ${item.value}  ${item.note}`.trimEnd(), size.columns);
  });
  const hidden = found.length - rows.length;
  const more = found.length === 0
    ? ["  nothing matches"]
    : hidden > 0
    ? [`  (${hidden} more)`]
    : [];
  const lines = [
    titleOf(state, size.columns),
    ...rows,
    ...more.map((line) => clip(line, size.columns)),
  ];
  if (lines.length <= size.rows) return lines;
  return rows.length === 0 || size.rows > 1 ? lines.slice(0, Math.max(1, size.rows)) : rows;
}

/** The question and what was typed: its end, where there is no room for all of it. */
function titleOf({ title, filter }: PickerState, columns: number): string {
  if (filter === "") return clip(title, columns);
  const room = columns - cellsOf(title) - 1;
  return room >= Math.min(MIN_FILTER_CELLS, cellsOf(filter))
    ? `${title} ${clipStart(filter, room)}`
    : clipStart(filter, columns);
}

export function onPickerKey(state: PickerState, key: Key): PromptStep<PickerState, PickerItem> {
  const found = matching(state);
  const move = (by: number): PromptStep<PickerState, PickerItem> => {
    const selected = Math.max(0, Math.min(found.length - 1, state.selected + by));
    return { kind: "state", state: { ...state, selected } };
  };
  switch (key.kind) {
    case "text":
      return [...state.filter].length < MAX_FILTER_CHARS
        ? narrowed(state, state.filter + key.text)
        : { kind: "state", state };
    case "backspace":
      return narrowed(state, [...state.filter].slice(0, -1).join(""));
    case "kill-word":
      return narrowed(state, withoutLastWord(state.filter));
    case "kill-line":
      return narrowed(state, "");
    case "up":
      return move(-1);
    case "down":
      return move(1);
    case "page-up":
      return move(-MAX_VISIBLE);
    case "page-down":
      return move(MAX_VISIBLE);
    case "home":
      return move(-found.length);
    case "end":
      return move(found.length);
    case "enter": {
      const item = found[state.selected];
      return item === undefined ? { kind: "state", state } : { kind: "done", result: item };
    }
    case "escape":
    case "interrupt":
    case "end-of-input":
      return { kind: "canceled" };
  }
}

/** As Ctrl-W of a terminal: the blanks at the end and the word before them. */
function withoutLastWord(text: string): string {
  const trimmed = text.trimEnd();
  return trimmed.slice(0, trimmed.lastIndexOf(" ") + 1);
}

function narrowed(state: PickerState, filter: string): PromptStep<PickerState, PickerItem> {
  return { kind: "state", state: { ...state, filter, selected: 0 } };
}

export function picker(
  title: string,
  items: readonly PickerItem[],
): Prompt<PickerState, PickerItem> {
  return {
    initial: { title, items, filter: "", selected: 0 },
    render: renderPicker,
    onKey: onPickerKey,
  };
}

/**
 * The workspace to connect to when none was named: picked on a terminal, else the plain error.
 * `undefined` when the user wanted out. Throws `UserError` where nobody can be asked.
 */
export async function pickWorkspace(
  steps: Steps,
  options: { readonly stdio: boolean },
): Promise<string | undefined> {
  const { client, host, progress, signal } = steps;
  if (options.stdio || !canPrompt(host)) {
    throw new UserError("expected the name of a workspace", {
      hint: "Name one, e.g. hawser ssh my-workspace",
    });
  }
  const workspaces = await progress.during(
    "Asking for your workspaces",
    () => retrying(steps, () => listWorkspaces(client, 'owner:"me"', { signal })),
  );
  const items = workspaces.flatMap(itemsOf).sort((a, b) => a.value < b.value ? -1 : 1);
  if (items.length === 0) {
    throw new UserError("You have no workspaces", {
      hint: `Create one on ${client.url.origin}, then connect to it by its name`,
    });
  }
  return (await runPrompt(host, picker("Which workspace?", items), { signal }))?.value;
}

/** The bare name with one agent, `ws.agent` for each with several (docs/protocol/ssh.md#completion). */
function itemsOf(workspace: Workspace): PickerItem[] {
  const { agents, status } = workspace.latestBuild;
  const name = stripToLine(workspace.name);
  const note = `${stripToLine(status)}, ${stripToLine(workspace.templateName)}`;
  if (agents.length <= 1) return [{ value: name, note }];
  return agents.map((agent) => ({ value: `${name}.${stripToLine(agent.name)}`, note }));
}
