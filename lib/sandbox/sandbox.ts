/**
 * A small but faithful Coder deployment in this process, on a loopback port of its own: API, watch streams, coordinator,
 * relay, and agents with real shells. The ordinary client connects to it over TCP and knows nothing of it.
 *
 * What it does on order is in its parts: `faults` and `relay` (the wire), `coordinator`, `api` (answers, requests that
 * came), `hostility` (what no honest party does), `settings` (version and the like), workspaces with builds and agents. Disposing it ends all that it began.
 *
 * @example
 * ```ts
 * await using sandbox = await Sandbox.start();
 * await sandbox.workspace.agent().restart();
 * ```
 */
import { toHex } from "../base/bytes.ts";
import type { Random } from "../base/core.ts";
import { randomBytes } from "../base/core.ts";
import { isAtLeast } from "../base/version.ts";
import { SystemClock } from "../io/clock.ts";
import { SYSTEM_RANDOM } from "../io/random.ts";
import { formatUuid, randomUuid } from "../tailnet/address.ts";
import { type DerpMap, derpMapOf } from "../tailnet/derp_map.ts";
import { Hostility } from "./hostility.ts";
import { noFaults, type SandboxFaults } from "./http/faults.ts";
import { HttpServer } from "./http/server.ts";
import { instantBuild } from "./model/build.ts";
import type { ModelHost } from "./model/host.ts";
import { LogNumbers } from "./model/log_book.ts";
import { SandboxTemplate } from "./model/template.ts";
import { Sessions } from "./model/sessions.ts";
import type { SandboxUser } from "./model/user.ts";
import { SandboxWorkspace, type WorkspaceSpec } from "./model/workspace.ts";
import { SandboxCoordinator } from "./net/coordinator.ts";
import { SandboxRelay } from "./net/relay.ts";
import type { SandboxOptions } from "./options.ts";
import { AGENT_HEADER, SandboxApi } from "./rest/api.ts";
import { defaultSettings, type DeploymentSettings } from "./rest/deployment.ts";
import { Pauses } from "./pauses.ts";
import { LoudTasks } from "./loud_tasks.ts";

const REGION_ID = 999;
const SECRET_BYTES = 16;
/** Servers before this one know no RefreshResumeToken. */
const RESUME_SINCE = "v2.15.0";

export class Sandbox implements AsyncDisposable {
  /** Where it is, e.g. `http://127.0.0.1:41234`. */
  readonly url: URL;
  /** A session token of its user. */
  readonly token: string;
  /** All of its sessions; the first is that of `token`. */
  readonly sessions: Sessions;
  readonly faults: SandboxFaults = noFaults();
  readonly settings: DeploymentSettings;
  readonly relay: SandboxRelay;
  readonly coordinator: SandboxCoordinator;
  readonly api: SandboxApi;
  readonly hostility: Hostility;
  readonly template: SandboxTemplate;
  readonly me: SandboxUser;
  readonly #options: SandboxOptions;
  readonly #random: Random = SYSTEM_RANDOM;
  readonly #clock = new SystemClock();
  readonly #tasks = new LoudTasks();
  readonly #pauses = new Pauses();
  readonly #users: SandboxUser[];
  readonly #workspaces: SandboxWorkspace[] = [];
  readonly #server: HttpServer;
  readonly #host: ModelHost;
  #folder: Promise<string> | undefined;
  #stopping: Promise<void> | undefined;

  /** Listens, and begins the first build of every workspace; agents join the network when theirs is done. */
  static start(options: SandboxOptions = {}): Promise<Sandbox> {
    return Promise.resolve(new Sandbox(options));
  }

  private constructor(options: SandboxOptions) {
    this.#options = options;
    const random = this.#random;
    const clock = this.#clock;
    this.settings = { ...defaultSettings(), ...options.settings };
    this.sessions = new Sessions(random);
    this.token = this.sessions.begin();
    const agentSecret = toHex(randomBytes(random, SECRET_BYTES));
    this.#server = new HttpServer({
      handler: (request) => this.api.handle(request),
      faults: this.faults,
      random,
    });
    this.url = this.#server.url;
    this.relay = new SandboxRelay({ clock, random });
    this.coordinator = new SandboxCoordinator({
      clock,
      random,
      derpMap: embeddedRelayMap(this.url),
      grantsResumeTokens: () => isAtLeast(this.settings.version, RESUME_SINCE),
    });
    const pauses = this.#pauses;
    this.#host = {
      get isStopping() {
        return pauses.isOver;
      },
      clock,
      random,
      logNumbers: new LogNumbers(),
      tasks: this.#tasks,
      relay: this.relay,
      coordinator: this.coordinator,
      url: this.url,
      agentHeaders: [[AGENT_HEADER, agentSecret]],
      hostKeyType: options.hostKeyType ?? "ed25519",
      version: () => this.settings.version,
      isDirect: () => !this.settings.disablesDirect,
      newId: () => formatUuid(randomUuid(random)),
      wallMs: () => clock.wallMs(),
      pause: (ms) => pauses.pause(ms),
    };
    const { user = "demo", otherUsers = [], workspaces = [{}] } = options;
    this.me = this.#newUser(user);
    this.#users = [this.me, ...otherUsers.map((name) => this.#newUser(name))];
    this.template = new SandboxTemplate(
      { id: this.#host.newId(), name: "sandbox", createdAtMs: clock.wallMs() },
      () => this.#host.newId(),
    );
    this.api = new SandboxApi({
      host: this.#host,
      faults: this.faults,
      settings: this.settings,
      sessions: this.sessions,
      deploymentId: this.#host.newId(),
      organizationId: this.#host.newId(),
      provisionerId: this.#host.newId(),
      me: this.me,
      template: this.template,
      users: this.#users,
      workspaces: this.#workspaces,
    }, agentSecret);
    const { api, coordinator, relay } = this;
    this.hostility = new Hostility({ api, coordinator, relay });
    for (const spec of workspaces) this.addWorkspace(spec);
  }

  /** The first workspace. */
  get workspace(): SandboxWorkspace {
    const [first] = this.#workspaces;
    if (first === undefined) throw new RangeError("The sandbox was made without a workspace");
    return first;
  }

  get workspaces(): readonly SandboxWorkspace[] {
    return this.#workspaces;
  }

  /** Another workspace; its first build begins at once. */
  addWorkspace(spec: WorkspaceSpec = {}): SandboxWorkspace {
    const workspace = new SandboxWorkspace(spec, this.#host, {
      owner: this.#userNamed(spec.owner),
      template: this.template,
      script: this.#options.buildScript ?? instantBuild,
    });
    this.#workspaces.push(workspace);
    return workspace;
  }

  /** A private folder that goes with the sandbox, e.g. for a client's configuration. The same at every call. */
  folder(): Promise<string> {
    this.#folder ??= Deno.makeTempDir({ prefix: "hawser-sandbox-" });
    return this.#folder;
  }

  /** Ends everything that it began; resolves when nothing runs any more. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#pauses.end();
    await Promise.all(this.#workspaces.map((workspace) => workspace.stopAgents()));
    this.coordinator.stop();
    this.relay.stop();
    await this.#server.stop();
    await this.#tasks.settled();
    if (this.#folder !== undefined) await Deno.remove(await this.#folder, { recursive: true });
  }

  #userNamed(name: string | undefined): SandboxUser {
    if (name === undefined) return this.me;
    const known = this.#users.find(({ username }) => username === name);
    if (known !== undefined) return known;
    const user = this.#newUser(name);
    this.#users.push(user);
    return user;
  }

  #newUser(username: string): SandboxUser {
    return {
      id: this.#host.newId(),
      username,
      name: username,
      email: `${username}@example.com`,
      createdAtMs: this.#clock.wallMs(),
    };
  }
}

/** The map of a deployment with nothing but its own relay. */
function embeddedRelayMap(url: URL): DerpMap {
  return derpMapOf([{
    id: REGION_ID,
    code: "coder",
    name: "Coder Embedded Relay",
    embeddedRelay: true,
    avoid: false,
    nodes: [{
      name: `${REGION_ID}b`,
      regionId: REGION_ID,
      hostName: url.hostname,
      certName: "",
      ipv4: "",
      ipv6: "",
      stunPort: -1,
      stunOnly: false,
      derpPort: Number(url.port),
      insecureForTests: false,
      forceHttp: true,
      stunTestIp: "",
      canPort80: false,
    }],
  }]);
}
