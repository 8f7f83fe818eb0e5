/**
 * The values of a template's parameters for a build: those that were given, those of the last build, and for what nobody gave,
 * a question or an error that says how to give it (coder/coder `cli/parameterresolver.go`). Unlike upstream, a value that was given for
 * a parameter that may change counts more than that of the last build: why else would one give it.
 */
import { UserError } from "../../base/errors.ts";
import { goQuote } from "../../coder/text.ts";
import type { BuildParameter } from "../../coder/workspaces.ts";
import type { TemplateParameter } from "../../coder/parameters.ts";

export interface ResolveInput {
  readonly definitions: readonly TemplateParameter[];
  /** Of the last build. */
  readonly last: readonly BuildParameter[];
  /** From the file, then from flags; the later ones count. */
  readonly given: readonly BuildParameter[];
  readonly ephemeral: readonly BuildParameter[];
  readonly promptsEphemeral: boolean;
  readonly asksAll: boolean;
  /** Another version of the template than the last build's. */
  readonly isUpdate: boolean;
}

export interface Resolved {
  readonly values: readonly BuildParameter[];
  /** What somebody must be asked for. */
  readonly open: readonly TemplateParameter[];
}

/** Throws `UserError` for a value that the template does not take. */
export function resolveParameters(input: ResolveInput): Resolved {
  const { definitions, last, given, ephemeral, asksAll } = input;
  const values = new Map<string, string>();
  if (!asksAll) {
    for (const { name, value } of last) {
      const definition = definitions.find((candidate) => candidate.name === name);
      if (definition === undefined || definition.isEphemeral || !definition.isMutable) continue;
      if (isChoice(definition, value)) values.set(name, value);
    }
  }
  for (const { name, value } of [...given, ...ephemeral]) {
    check(name, input);
    values.set(name, value);
  }
  const open = definitions.filter((definition) =>
    !values.has(definition.name) && isAskedFor(definition, input)
  );
  return { values: Array.from(values, ([name, value]) => ({ name, value })), open };
}

function check(
  name: string,
  { definitions, ephemeral, promptsEphemeral, last }: ResolveInput,
): void {
  const definition = definitions.find((candidate) => candidate.name === name);
  if (definition === undefined) {
    const known = definitions.map((candidate) => candidate.name);
    throw new UserError(`parameter ${goQuote(name)} is not present in the template.`, {
      ...(known.length === 0 ? {} : { hint: `The template has: ${known.join(", ")}` }),
    });
  }
  const isNamed = ephemeral.some((one) => one.name === name);
  if (definition.isEphemeral && !promptsEphemeral && !isNamed) {
    throw new UserError(
      `ephemeral parameter ${goQuote(name)} can be used only with --prompt-ephemeral-parameters ` +
        "or --ephemeral-parameter flag",
    );
  }
  if (!definition.isMutable && last.some((one) => one.name === name)) {
    throw new UserError(`parameter ${goQuote(name)} is immutable and cannot be updated`);
  }
}

function isAskedFor(definition: TemplateParameter, input: ResolveInput): boolean {
  const { isEphemeral, isMutable, isRequired } = definition;
  const before = input.last.find(({ name }) => name === definition.name);
  if (isEphemeral && input.promptsEphemeral) return true;
  if (isMutable && !isEphemeral && input.asksAll) return true;
  if (!input.isUpdate) return false;
  const isStale = before !== undefined && !isChoice(definition, before.value);
  return isStale || (isMutable && isRequired) || (!isMutable && before === undefined);
}

/** Whether the template takes the value, as far as its list of values tells; several at once are a JSON list. */
export function isChoice({ choices, type }: TemplateParameter, value: string): boolean {
  if (choices.length === 0) return true;
  const isKnown = (one: unknown) => choices.some((choice) => choice.value === one);
  if (type !== "list(string)") return isKnown(value);
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) && parsed.every(isKnown);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
