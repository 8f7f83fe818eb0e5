/** Starting and stopping workspaces as one asks for it by name, with the official command's words (docs/protocol/ssh.md#commands-about-workspaces). */
import type { Host } from "../../base/host.ts";
import { ApiError, StepError } from "../../coder/errors.ts";
import { getBuildParameters, getTemplateParameters } from "../../coder/parameters.ts";
import type { Build, Workspace } from "../../coder/workspace_model.ts";
import { type BuildParameter, createBuild } from "../../coder/workspaces.ts";
import type { OptionsOf } from "../grammar/options.ts";
import { activate, activeVersionId, warnAboutProvisioners } from "../ready/autostart.ts";
import { waitForBuild } from "../ready/build_wait.ts";
import { inStep, type Steps } from "../ready/steps.ts";
import { localDateStamp } from "../terminal/local_time.ts";
import { onStdout, writeText } from "../terminal/print.ts";
import { Progress } from "../terminal/progress.ts";
import { StageWriter } from "../terminal/stages.ts";
import type { PARAMETER_FLAGS } from "./build_flags.ts";
import { parsePairs, readParameterFile } from "./parameter_values.ts";
import { resolveParameters } from "./parameters.ts";
import type { Questions } from "./questions.ts";

/** What one was told about the build. */
export interface BuildWishes extends OptionsOf<typeof PARAMETER_FLAGS> {
  readonly reason: string;
  readonly provisionerLogDebug: boolean;
}

/** A build that has not begun. */
export interface StartRequest {
  readonly templateVersionId: string;
  readonly parameters: readonly BuildParameter[];
  readonly ephemeral: readonly BuildParameter[];
}

export class Builder {
  readonly #steps: Steps;
  readonly #questions: Questions;
  readonly #wishes: BuildWishes | undefined;

  /** Without wishes nothing is started. */
  constructor(steps: Steps, questions: Questions, wishes?: BuildWishes) {
    this.#steps = steps;
    this.#questions = questions;
    this.#wishes = wishes;
  }

  async say(text: string): Promise<void> {
    const { host } = this.#steps;
    await writeText(host.stdout, text);
  }

  /** Says what became of the workspace, and when. */
  async sayDone(workspace: Workspace, done: string): Promise<void> {
    const { clock } = this.#steps.host;
    const when = localDateStamp(clock, clock.wallMs());
    await this.say(`\nThe ${workspace.name} workspace has been ${done} at ${when}!\n`);
  }

  /** Waits for a build; its stages are the command's result, on standard output. */
  async wait(build: Build): Promise<Build> {
    const { host } = this.#steps;
    return await waitForBuild({ ...this.#steps, stages: stagesOf(host, this.#steps) }, build.id);
  }

  async stop(workspace: Workspace, ephemeral: readonly BuildParameter[] = []): Promise<Build> {
    const { client, signal } = this.#steps;
    return await createBuild(client, workspace.id, {
      transition: "stop",
      parameters: ephemeral,
      ...this.#logLevel(),
      signal,
    });
  }

  /** Gathers what a start needs, asking for what nobody gave. */
  async prepare(
    workspace: Workspace,
    options: { readonly onActive?: boolean } = {},
  ): Promise<StartRequest> {
    const { client, host, signal } = this.#steps;
    const { latestBuild: last } = workspace;
    const wantsActive = options.onActive === true || workspace.automaticUpdates === "always" ||
      workspace.templateRequireActiveVersion;
    const templateVersionId = wantsActive
      ? await activeVersionId(this.#steps, workspace)
      : last.templateVersionId;
    const isUpdate = templateVersionId !== last.templateVersionId;
    const wishes = this.#wishes;
    if (wishes === undefined) return { templateVersionId, parameters: [], ephemeral: [] };
    const ephemeral = parsePairs([...wishes.ephemeral, ...wishes.buildOption], "build options");
    const flags = parsePairs(wishes.parameter, "rich parameters");
    const defaults = parsePairs(wishes.parameterDefault, "rich parameter defaults");
    const file = wishes.parameterFile === ""
      ? []
      : await readParameterFile(host, wishes.parameterFile);
    const promptsEphemeral = wishes.promptEphemeral || wishes.buildOptions;
    const given = [...file, ...flags];
    // The server keeps what nobody changes.
    const isPlain = given.length + ephemeral.length === 0 && !promptsEphemeral &&
      !wishes.alwaysPrompt && !isUpdate;
    if (isPlain) return { templateVersionId, parameters: [], ephemeral };
    const [definitions, values] = await Promise.all([
      getTemplateParameters(client, templateVersionId, { signal }),
      getBuildParameters(client, last.id, { signal }),
    ]);
    const resolved = resolveParameters({
      definitions,
      last: values,
      given,
      ephemeral,
      promptsEphemeral,
      asksAll: wishes.alwaysPrompt,
      isUpdate,
    });
    const asked = await this.#questions.valuesOf(resolved.open, {
      initial: new Map(defaults.map(({ name, value }) => [name, value])),
      usesDefaults: wishes.useDefaults,
    });
    return { templateVersionId, parameters: [...resolved.values, ...asked], ephemeral };
  }

  /** Begins a start, on the template's active version when an older one is refused. */
  async start(workspace: Workspace, request: StartRequest, verb = "start"): Promise<Build> {
    try {
      return await this.#begin(workspace, request);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 403)) throw this.#named(error);
    }
    await this.say(
      `Unable to ${verb} the workspace with the template version from the last build. Policy may ` +
        "require you to restart with the current active template version.\n",
    );
    const again = async () =>
      await this.#begin(workspace, await this.prepare(workspace, { onActive: true }));
    const what = "start workspace with active template version";
    return await inStep(this.#steps.signal, what, again);
  }

  async #begin(workspace: Workspace, request: StartRequest): Promise<Build> {
    const { client, signal } = this.#steps;
    const build = await createBuild(client, workspace.id, {
      transition: "start",
      templateVersionId: request.templateVersionId,
      parameters: request.parameters,
      reason: this.#wishes?.reason ?? "cli",
      ...this.#logLevel(),
      signal,
    });
    warnAboutProvisioners(this.#steps, build);
    return build;
  }

  /** Somebody else may be at it. */
  #named(error: unknown): unknown {
    if (this.#steps.signal.aborted) return error;
    const isBusy = error instanceof ApiError && error.status === 409;
    return new StepError(
      "create workspace build",
      error,
      isBusy ? "Another build is under way: try again when it has ended" : undefined,
    );
  }

  async wake(workspace: Workspace): Promise<void> {
    if (workspace.dormantAtMs === undefined) return;
    await this.say("Activating dormant workspace...\n");
    await activate(this.#steps, workspace.id);
  }

  #logLevel(): { readonly logLevel?: "debug" } {
    return this.#wishes?.provisionerLogDebug === true ? { logLevel: "debug" } : {};
  }
}

/** On a terminal the stages share the lines with the spinner; elsewhere each stream has its own. */
function stagesOf(host: Host, { progress, stages, client }: Steps): StageWriter {
  const isTerminal = host.stdout.isTerminal && progress.isTerminal;
  const stdout = onStdout(host);
  if (isTerminal) return stages;
  return new StageWriter(host, new Progress(stdout), () => client.serverVersion);
}
