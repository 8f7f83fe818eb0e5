/** What is asked before a build: whether it is wanted, and the parameters that nobody gave. */
import type { Host } from "../../base/host.ts";
import { UserError } from "../../base/errors.ts";
import { CanceledError } from "../../coder/errors.ts";
import type { TemplateParameter } from "../../coder/parameters.ts";
import { goQuote, stripToLine } from "../../coder/text.ts";
import type { BuildParameter } from "../../coder/workspaces.ts";
import { type Asking, askLine, confirm, LineInput } from "../terminal/confirm.ts";
import { writeText } from "../terminal/print.ts";
import { isChoice } from "./parameters.ts";

/** How often somebody may give a value that the template does not take. */
const MAX_TRIES = 5;

export class Questions {
  readonly #host: Host;
  readonly #lines: LineInput;

  /** `signal` ends the wait for an answer. */
  constructor(host: Host, signal: AbortSignal) {
    this.#host = host;
    this.#lines = new LineInput(host.stdin, { signal });
  }

  /** Returns for a yes. Throws `CanceledError` for a no, `UserError` when there is nobody who answers. */
  async confirm(
    question: string,
    { isAnswered, bare = "yes" }: { readonly isAnswered: boolean; readonly bare?: "yes" | "no" },
  ): Promise<void> {
    if (isAnswered) return;
    const answer = await confirm(question, { ...this.#asking(), bare });
    if (answer === "no") throw new CanceledError();
    if (answer === "yes") return;
    throw new UserError("EOF", {
      hint: `Nobody answered ${goQuote(question)}: --yes answers it beforehand`,
    });
  }

  /** Values for `open`, by `initial` as defaults. Throws `UserError` that says what is missing and how to give it. */
  async valuesOf(
    open: readonly TemplateParameter[],
    { initial, usesDefaults }: {
      readonly initial: ReadonlyMap<string, string>;
      readonly usesDefaults: boolean;
    },
  ): Promise<readonly BuildParameter[]> {
    const values: BuildParameter[] = [];
    for (const [at, parameter] of open.entries()) {
      const { name, label } = parameter;
      const given = initial.get(name);
      const preset = given ?? parameter.initial;
      if (usesDefaults && (given !== undefined || !parameter.isRequired)) {
        await this.#say(
          `Using default value for ${stripToLine(label)}: '${stripToLine(preset)}'\n`,
        );
        values.push({ name, value: preset });
        continue;
      }
      const value = await this.#ask(parameter, preset);
      if (value === undefined) throw missing(open.slice(at));
      values.push({ name, value });
    }
    return values;
  }

  async #ask(parameter: TemplateParameter, preset: string): Promise<string | undefined> {
    const { label, description, isEphemeral, choices } = parameter;
    await this.#say(`${stripToLine(label)}${isEphemeral ? " (build option)" : ""}\n`);
    if (description !== "") await this.#say(`  ${description.trim().replaceAll("\n", "\n  ")}\n\n`);
    for (const { name, value } of choices) {
      const note = name === "" || name === value ? "" : `  ${stripToLine(name)}`;
      await this.#say(`  - ${stripToLine(value)}${note}\n`);
    }
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const shown = preset === "" ? "" : ` (default: ${goQuote(preset)})`;
      const line = await askLine(`Enter a value${shown}:`, this.#asking());
      if (line === undefined) return undefined;
      const value = line.trim() || preset;
      if (isValue(parameter, value)) return value;
      await this.#say(`${goQuote(value)} is not one of its values.\n`);
    }
    return undefined;
  }

  #asking(): Asking {
    return { say: (text) => this.#say(text), lines: this.#lines };
  }

  async #say(text: string): Promise<void> {
    const host = this.#host;
    await writeText(host.stdout, text);
  }
}

function isValue(parameter: TemplateParameter, value: string): boolean {
  if (value === "") return !parameter.isRequired;
  if (parameter.type === "bool" && value !== "true" && value !== "false") return false;
  if (parameter.type === "number" && !/^[+-]?\d{1,18}$/.test(value)) return false;
  return isChoice(parameter, value);
}

function missing(open: readonly TemplateParameter[]): UserError {
  const names = open.map(({ name }) => goQuote(name)).join(", ");
  const [first] = open;
  const flag = first?.isEphemeral === true ? "--ephemeral-parameter" : "--parameter";
  return new UserError(`no value for ${open.length === 1 ? "parameter" : "parameters"} ${names}`, {
    details: open.map((one) => {
      const choices = one.choices.map(({ value }) => goQuote(value)).join(", ");
      return `${goQuote(one.name)}: ${choices === "" ? one.type || "string" : choices}`;
    }),
    hint: `Give each with ${flag} ${first?.name ?? "name"}=value, or in a file with ` +
      "--rich-parameter-file; --use-parameter-defaults takes the template's own",
  });
}
