/** The template that all workspaces are made of, and its versions (codersdk `Template`, `TemplateVersion`). */

export interface TemplateVersion {
  readonly id: string;
  readonly jobId: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** E.g. `UNSUPPORTED_WORKSPACES`. */
  readonly warnings: readonly string[];
}

export interface TemplateInit {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
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
  addVersion(options: { readonly warnings?: readonly string[] } = {}): TemplateVersion {
    const version: TemplateVersion = {
      id: this.#newId(),
      jobId: this.#newId(),
      name: `v${this.#versions.length + 1}`,
      createdAtMs: this.createdAtMs,
      warnings: options.warnings ?? [],
    };
    this.#versions.push(version);
    return version;
  }
}
