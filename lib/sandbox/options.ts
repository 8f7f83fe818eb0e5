/** What a sandbox is made of. */
import type { BuildScript } from "./model/build.ts";
import type { WorkspaceSpec } from "./model/workspace.ts";
import type { DeploymentSettings } from "./rest/deployment.ts";
import type { HostKeyType } from "./ssh/host_key.ts";

export interface SandboxOptions {
  /** @default one, "dev", with one agent "main", running */
  readonly workspaces?: readonly WorkspaceSpec[];
  /** The token's user. @default "demo" */
  readonly user?: string;
  /** More users, who own nothing yet. @default none */
  readonly otherUsers?: readonly string[];
  /** Drives builds that have no script of their own. @default succeeds at once */
  readonly buildScript?: BuildScript;
  /** Agents have RSA keys, which take long to make. @default "ed25519" */
  readonly hostKeyType?: HostKeyType;
  /** @default as `defaultSettings` */
  readonly settings?: Partial<DeploymentSettings>;
}
