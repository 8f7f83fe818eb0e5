/** What the examples of the commands' help are tried at: a home folder and a deployment, and short ways to say what is there. */
import { ok, strictEqual } from "node:assert/strict";
import type { Sandbox } from "../../lib/sandbox/mod.ts";
import type { SandboxParameter } from "../../lib/sandbox/model/template.ts";

/** Owner of a second workspace, as the examples call them. */
export const OWNER = "owner";

/** Where one example is tried. */
export interface ExampleDesk {
  /** The home folder, and where the line is typed. Files of the workspace are in `there`. */
  readonly home: string;
  readonly sandbox: Sandbox;
}

export type Check = (desk: ExampleDesk, text: string) => Promise<void> | void;
export type Keys = readonly (readonly [after: RegExp, keys: string])[];

export interface Expectation {
  readonly code: number;
  readonly says: RegExp;
  /** What is typed when it says that. @default nothing */
  readonly keys?: Keys | ((desk: ExampleDesk) => Keys);
  /** Whether its numbers are ports, which others are put in the place of. @default false */
  readonly hasPorts?: boolean;
  /** It says nothing: Ctrl-C is typed once somebody listens on its first port. @default false */
  readonly endsOnceItListens?: boolean;
  /** Variables beside those of any shell. @default none */
  readonly env?: (desk: ExampleDesk) => Readonly<Record<string, string>>;
  /** What must be there before. @default what every desk has */
  readonly before?: (desk: ExampleDesk) => Promise<void> | void;
  /** What must be true afterwards. @default nothing more */
  readonly after?: Check;
}

export const CTRL_C = "\x03";
export const CTRL_D = "\x04";
export const YES: Keys = [[/\(yes\/no\)|\[y\/N\]/i, "yes\r"]];
export const IN_SHELL: Keys = [[/[$#] $/, "echo in $CODER_WORKSPACE_NAME\r"], [
  /in dev\n/,
  "exit\r",
]];

export const FOLLOWS = /--- Streaming logs ---\n/;

export const file = async ({ home }: ExampleDesk, path: string) =>
  await Deno.readTextFile(`${home}/${path}`);

export function opened(url: (desk: ExampleDesk) => string): Check {
  return async (desk) => strictEqual(await file(desk, "opened"), `${url(desk)}\n`);
}

function json(check: (value: unknown) => void): Check {
  return (_, text) => check(JSON.parse(text));
}

export const isJson = json((value) => ok(typeof value === "object"));
export const isList = json((value) => ok(Array.isArray(value) && value.length > 0));

/** A login that is kept under a name. */
export async function addContext({ home, sandbox }: ExampleDesk): Promise<void> {
  const folder = `${home}/.config/coderv2/contexts/work`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/url`, sandbox.url.href);
  await Deno.writeTextFile(`${folder}/session`, sandbox.token);
}

/** The workspace is of a template with that parameter. */
export async function asksFor(
  { sandbox }: ExampleDesk,
  parameter: SandboxParameter,
): Promise<void> {
  const { id } = sandbox.template.addVersion({ parameters: [parameter] });
  await sandbox.workspace.buildToEnd("start", { templateVersionId: id });
}

export function stopped(desk: ExampleDesk): Promise<void> {
  return desk.sandbox.workspace.buildToEnd("stop").then(() => {});
}
