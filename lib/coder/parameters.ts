/** What a template asks for, and what a build was given (docs/protocol/api.md#starting-a-stopped-workspace). */
import * as v from "valibot";
import type { CoderClient } from "./client.ts";
import { FLAG, list, NEEDED_TEXT, TEXT } from "./model_parts.ts";
import { segment } from "./url.ts";
import type { BuildParameter, CallOptions } from "./workspaces.ts";

/** A value may be a whole script: the general limit of texts is too low for these. */
const MAX_VALUE_CHARS = 1_048_576;
const VALUE = v.pipe(v.nullish(v.string(), ""), v.maxLength(MAX_VALUE_CHARS, "a shorter text"));

const BUILD_PARAMETERS = list(v.object({ name: NEEDED_TEXT, value: VALUE }));

/** The values that a build was made with. */
export async function getBuildParameters(
  client: CoderClient,
  buildId: string,
  options: CallOptions = {},
): Promise<readonly BuildParameter[]> {
  const path = `/workspacebuilds/${segment(buildId)}/parameters`;
  return await client.get(path, v.nullish(BUILD_PARAMETERS, []), options) ?? [];
}

const OPTION = v.object({ name: TEXT, value: VALUE });
const PARAMETER = v.object({
  name: NEEDED_TEXT,
  display_name: TEXT,
  description_plaintext: TEXT,
  type: TEXT,
  mutable: FLAG,
  required: FLAG,
  ephemeral: FLAG,
  default_value: VALUE,
  options: list(OPTION),
});

/** One thing that a template asks for. */
export interface TemplateParameter {
  readonly name: string;
  /** As people read it. */
  readonly label: string;
  readonly description: string;
  /** `string`, `number`, `bool`, `list(string)`. */
  readonly type: string;
  /** May be changed after the workspace was made. */
  readonly isMutable: boolean;
  /** Has no default: somebody must give a value. */
  readonly isRequired: boolean;
  /** Holds for one build only. */
  readonly isEphemeral: boolean;
  readonly initial: string;
  /** The values there are; empty: any. */
  readonly choices: readonly { readonly name: string; readonly value: string }[];
}

/** What a version of a template asks for, in its order. */
export async function getTemplateParameters(
  client: CoderClient,
  versionId: string,
  options: CallOptions = {},
): Promise<readonly TemplateParameter[]> {
  const path = `/templateversions/${segment(versionId)}/rich-parameters`;
  const wire = await client.get(path, list(PARAMETER), options);
  return (wire ?? []).map((parameter) => ({
    name: parameter.name,
    label: parameter.display_name || parameter.name,
    description: parameter.description_plaintext,
    type: parameter.type,
    isMutable: parameter.mutable,
    isRequired: parameter.required,
    isEphemeral: parameter.ephemeral,
    initial: parameter.default_value,
    choices: parameter.options,
  }));
}
