/**
 * One workspace: its builds, the agents that a build brings, autostop and dormancy (codersdk `Workspace`). A build that
 * succeeds brings new agents with new ids; the old ones go when the next build begins.
 */
import { type AgentSpec, SandboxAgent } from "./agent.ts";
import { type BuildInit, type BuildScript, SandboxBuild, type Transition } from "./build.ts";
import type { ModelHost } from "./host.ts";
import { Observers } from "./observers.ts";
import type { SandboxTemplate } from "./template.ts";
import type { SandboxUser } from "./user.ts";

export interface WorkspaceSpec {
  /** @default "dev" */
  readonly name?: string;
  /** A user's name; one that is not there yet is made. @default the token's user */
  readonly owner?: string;
  /** @default one, "main" */
  readonly agents?: readonly AgentSpec[];
  /** What the first build does. @default "start" */
  readonly transition?: Transition;
  /** Drives the first build, and every later one unless it is given its own. @default succeeds at once */
  readonly buildScript?: BuildScript;
  /** Autostop that the user set. @default none */
  readonly ttlMs?: number;
}

export interface BuildOptions {
  /** @default the workspace's */
  readonly script?: BuildScript;
  /** @default "initiator" */
  readonly reason?: string;
  /** @default that of the last build */
  readonly templateVersionId?: string;
  readonly parameters?: BuildInit["parameters"];
}

const MAX_BUILDS = 256;

export class SandboxWorkspace {
  readonly id: string;
  readonly name: string;
  readonly owner: SandboxUser;
  readonly template: SandboxTemplate;
  readonly createdAtMs: number;
  readonly changes = new Observers();
  automaticUpdates: "always" | "never" = "never";
  isFavorite = false;
  /** `CRON_TZ=Europe/Berlin 30 9 * * 1-5`; `undefined`: it does not start by itself. */
  autostartSchedule: string | undefined;
  /** Wall-clock milliseconds; dormant since. */
  dormantAtMs: number | undefined;
  lastUsedAtMs: number;
  ttlMs: number | undefined;
  readonly #host: ModelHost;
  readonly #agentSpecs: readonly AgentSpec[];
  readonly #script: BuildScript;
  readonly #builds: SandboxBuild[] = [];
  /** Host keys by agent name: they outlive restarts and builds, as agents' have since v2.20. */
  readonly #hostKeys = new Map<string, Promise<string>>();

  constructor(
    spec: WorkspaceSpec,
    host: ModelHost,
    options: {
      readonly owner: SandboxUser;
      readonly template: SandboxTemplate;
      readonly script: BuildScript;
    },
  ) {
    this.#host = host;
    this.id = host.newId();
    this.name = spec.name ?? "dev";
    this.owner = options.owner;
    this.template = options.template;
    this.createdAtMs = host.wallMs();
    this.lastUsedAtMs = this.createdAtMs;
    this.ttlMs = spec.ttlMs;
    this.#agentSpecs = spec.agents ?? [{}];
    this.#script = spec.buildScript ?? options.script;
    this.build(spec.transition ?? "start");
  }

  get builds(): readonly SandboxBuild[] {
    return this.#builds;
  }

  get latestBuild(): SandboxBuild {
    const build = this.#builds.at(-1);
    if (build === undefined) throw new TypeError("A workspace has a build from its first instant");
    return build;
  }

  /** The agents of the latest build. */
  get agents(): readonly SandboxAgent[] {
    return this.latestBuild.agents;
  }

  get isOutdated(): boolean {
    return this.latestBuild.templateVersionId !== this.template.activeVersionId;
  }

  /** The agent of that name in the latest build, the first without a name. Throws `RangeError` when there is none. */
  agent(name?: string): SandboxAgent {
    const agent = this.agents.find((candidate) => name === undefined || candidate.name === name);
    if (agent === undefined) {
      throw new RangeError(`Workspace "${this.name}" has no agent "${name ?? ""}"`);
    }
    return agent;
  }

  /** Begins a build; its script runs on by itself. */
  build(transition: Transition, options: BuildOptions = {}): SandboxBuild {
    const last = this.#builds.at(-1);
    const build = new SandboxBuild(
      {
        number: (last?.number ?? 0) + 1,
        transition,
        reason: options.reason ?? "initiator",
        templateVersionId: options.templateVersionId ?? last?.templateVersionId ??
          this.template.activeVersionId,
        parameters: options.parameters ?? last?.parameters ?? [],
      },
      this.#host,
      () => this.#handleBuildChange(build),
    );
    if (last !== undefined) this.#retire(last);
    this.#builds.push(build);
    if (this.#builds.length > MAX_BUILDS) this.#builds.shift();
    this.changes.notify();
    const running = (options.script ?? this.#script)(build);
    if (running !== undefined) this.#host.tasks.run(running);
    return build;
  }

  /** Begins a build and waits for its end. */
  async buildToEnd(transition: Transition, options: BuildOptions = {}): Promise<SandboxBuild> {
    const build = this.build(transition, options);
    await this.changes.until(() => build.isCompleted);
    return build;
  }

  /** Autostop that the user set, from now on. */
  setTtl(ttlMs: number | undefined): void {
    this.ttlMs = ttlMs;
    this.changes.notify();
  }

  /** When the build will be stopped, wall-clock milliseconds. */
  setDeadline(deadlineMs: number | undefined): void {
    this.latestBuild.deadlineMs = deadlineMs;
    this.changes.notify();
  }

  /** The limit of all deadlines, as a template's autostop requirement sets it. */
  setMaxDeadline(maxDeadlineMs: number | undefined): void {
    this.latestBuild.maxDeadlineMs = maxDeadlineMs;
    this.changes.notify();
  }

  /** Makes it dormant from now on. */
  putToSleep(): void {
    this.dormantAtMs ??= this.#host.wallMs();
    this.changes.notify();
  }

  wake(): void {
    this.dormantAtMs = undefined;
    this.changes.notify();
  }

  /** The agents of that name get another host key when they restart. */
  changeHostKey(agentName = "main"): void {
    this.#hostKeys.delete(agentName);
  }

  /** Ends all agents. */
  async stopAgents(): Promise<void> {
    await Promise.all(
      this.#builds.flatMap((build) => build.agents).map((agent) => agent.disconnect()),
    );
    await Promise.allSettled(this.#hostKeys.values());
  }

  #handleBuildChange(build: SandboxBuild): void {
    if (build.jobStatus === "succeeded" && build.transition === "start") this.#bringAgents(build);
    this.changes.notify();
  }

  #bringAgents(build: SandboxBuild): void {
    if (this.ttlMs !== undefined && build.deadlineMs === undefined) {
      build.deadlineMs = this.#host.wallMs() + this.ttlMs;
    }
    build.agents = this.#agentSpecs.map((spec) => {
      const name = spec.name ?? "main";
      return new SandboxAgent(spec, this.#host, {
        owner: {
          workspaceName: this.name,
          ownerName: this.owner.username,
          onChange: () => this.changes.notify(),
        },
        hostKey: () => this.#hostKeyOf(name),
      });
    });
    for (const agent of build.agents) {
      if (agent.spec.connects ?? true) agent.connect();
    }
  }

  /** A build that is replaced: its agents leave in order, but for those that say nothing, whose machine is taken from them. */
  #retire(build: SandboxBuild): void {
    build.isSuperseded = true;
    for (const agent of build.agents) {
      agent.setLifecycle("off");
      agent.logs.end();
      if (agent.isSilent) continue;
      this.#host.tasks.run(agent.disconnect({ graceful: true }));
    }
  }

  #hostKeyOf(agentName: string): Promise<string> {
    let key = this.#hostKeys.get(agentName);
    if (key === undefined) {
      key = SandboxAgent.newHostKey(this.#host);
      this.#hostKeys.set(agentName, key);
    }
    return key;
  }
}
