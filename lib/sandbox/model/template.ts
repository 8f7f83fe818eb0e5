/** The template that all workspaces are made of, and its versions (codersdk `Template`, `TemplateVersion`). */

export interface TemplateVersion {
  readonly id: string;
  readonly jobId: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** E.g. `UNSUPPORTED_WORKSPACES`. */
  readonly warnings: readonly string[];
  readonly parameters: readonly SandboxParameter[];
}

/** Something that a version asks for (codersdk `TemplateVersionParameter`). */
export interface SandboxParameter {
  readonly name: string;
  /** @default "string" */
  readonly type?: "string" | "number" | "bool" | "list(string)";
  readonly description?: string;
  /** @default true */
  readonly mutable?: boolean;
  /** @default false */
  readonly ephemeral?: boolean;
  /** @default none: one must be given */
  readonly defaultValue?: string;
  /** @default any value */
  readonly options?: readonly string[];
}

export interface TemplateInit {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
}

export interface VersionOptions {
  readonly warnings?: readonly string[];
  /** @default those of the version before */
  readonly parameters?: readonly SandboxParameter[];
}

export class SandboxTemplate {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Users cannot start older versions. @default false */
  requiresActiveVersion = false;
  readonly #versions: TemplateVersion[] = [];
  readonly #newId: () => string;

  constructor(init: TemplateInit, newId: () => string) {
    this.id = init.id;
    this.name = init.name;
    this.createdAtMs = init.createdAtMs;
    this.#newId = newId;
    this.addVersion();
  }

  get activeVersionId(): string {
    return this.#versions.at(-1)?.id ?? "";
  }

  get versions(): readonly TemplateVersion[] {
    return this.#versions;
  }

  /** A new version, active from now on: workspaces with an older one are outdated. */
  addVersion(options: VersionOptions = {}): TemplateVersion {
    const version: TemplateVersion = {
      id: this.#newId(),
      jobId: this.#newId(),
      name: `v${this.#versions.length + 1}`,
      createdAtMs: this.createdAtMs,
      warnings: options.warnings ?? [],
      parameters: options.parameters ?? this.#versions.at(-1)?.parameters ?? [],
    };
    this.#versions.push(version);
    return version;
  }
}
