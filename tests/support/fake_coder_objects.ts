/** Objects as a deployment sends them (docs/protocol/api.md#objects), with what a test wants different. */

export type Wire = Record<string, unknown>;

export const IDS = {
  workspace: "a1000000-0000-4000-8000-000000000001",
  build: "b1000000-0000-4000-8000-000000000001",
  otherBuild: "b1000000-0000-4000-8000-000000000002",
  agent: "c1000000-0000-4000-8000-000000000001",
  otherAgent: "c1000000-0000-4000-8000-000000000002",
  version: "d1000000-0000-4000-8000-000000000001",
  newVersion: "d1000000-0000-4000-8000-000000000002",
  template: "e1000000-0000-4000-8000-000000000001",
} as const;

export function wireAgent(changes: Wire = {}): Wire {
  return {
    id: IDS.agent,
    parent_id: null,
    name: "dev",
    status: "connected",
    lifecycle_state: "ready",
    operating_system: "linux",
    architecture: "amd64",
    version: "v2.36.0",
    created_at: "2026-07-24T09:00:00Z",
    first_connected_at: "2026-07-24T09:00:02.5Z",
    last_connected_at: "2026-07-24T09:59:00Z",
    started_at: "2026-07-24T09:00:03Z",
    ready_at: "2026-07-24T09:00:13.25Z",
    connection_timeout_seconds: 120,
    troubleshooting_url: "",
    environment_variables: null,
    log_sources: [{ id: "s1", display_name: "Startup" }],
    scripts: [],
    ...changes,
  };
}

export function wireJob(changes: Wire = {}): Wire {
  return {
    id: "f1000000-0000-4000-8000-000000000001",
    status: "succeeded",
    created_at: "2026-07-24T09:00:00Z",
    started_at: "2026-07-24T09:00:00.01Z",
    completed_at: "2026-07-24T09:00:01Z",
    tags: { scope: "organization", owner: "" },
    queue_position: 0,
    queue_size: 0,
    ...changes,
  };
}

export function wireBuild(changes: Wire = {}): Wire {
  return {
    id: IDS.build,
    workspace_id: IDS.workspace,
    template_version_id: IDS.version,
    build_number: 1,
    transition: "start",
    status: "running",
    reason: "initiator",
    deadline: null,
    max_deadline: null,
    job: wireJob(),
    resources: [{ id: "r1", type: "docker_container", name: "box", agents: [wireAgent()] }],
    ...changes,
  };
}

export function wireWorkspace(changes: Wire = {}): Wire {
  return {
    id: IDS.workspace,
    name: "myworkspace",
    owner_id: "10000000-0000-4000-8000-000000000001",
    owner_name: "myuser",
    organization_id: "20000000-0000-4000-8000-000000000001",
    template_id: IDS.template,
    template_name: "docker",
    template_active_version_id: IDS.version,
    template_require_active_version: false,
    automatic_updates: "never",
    outdated: false,
    ttl_ms: null,
    dormant_at: null,
    latest_build: wireBuild(),
    ...changes,
  };
}
