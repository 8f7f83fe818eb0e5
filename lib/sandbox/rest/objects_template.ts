/** The template and its versions as the API sends them (docs/protocol/api.md#reading), in the field order of v2.36. */
import type { SandboxParameter, SandboxTemplate, TemplateVersion } from "../model/template.ts";
import type { SandboxUser } from "../model/user.ts";
import { asOf } from "./ages.ts";
import { jobTail, type Json, type ObjectContext, time } from "./object_parts.ts";

export function templateVersionJson(
  version: TemplateVersion,
  { template, owner }: { readonly template: SandboxTemplate; readonly owner: SandboxUser },
  around: ObjectContext,
): Json {
  return asOf(around.version, "templateVersion", {
    id: version.id,
    template_id: template.id,
    organization_id: around.organizationId,
    created_at: time(version.createdAtMs),
    updated_at: time(version.createdAtMs),
    name: version.name,
    message: "",
    job: asOf(around.version, "job", {
      id: version.jobId,
      created_at: time(version.createdAtMs),
      started_at: time(version.createdAtMs),
      completed_at: time(version.createdAtMs),
      status: "succeeded",
      worker_id: around.provisionerId,
      ...jobTail({ fileId: version.jobId, type: "template_version_import" }, owner, around),
      input: { template_version_id: version.id },
      logs_overflowed: false,
    }),
    readme: "",
    created_by: asOf(around.version, "creator", {
      id: owner.id,
      username: owner.username,
      name: owner.name,
    }),
    archived: false,
    ...(version.warnings.length === 0 ? {} : { warnings: version.warnings }),
    has_external_agent: false,
  });
}

export function templateJson(
  template: SandboxTemplate,
  owner: SandboxUser,
  around: ObjectContext,
): Json {
  const noTimes = { P50: null, P95: null };
  return asOf(around.version, "template", {
    id: template.id,
    created_at: time(template.createdAtMs),
    updated_at: time(template.createdAtMs),
    organization_id: around.organizationId,
    organization_name: "coder",
    organization_display_name: "Coder",
    organization_icon: "",
    name: template.name,
    display_name: "",
    provisioner: "terraform",
    active_version_id: template.activeVersionId,
    active_user_count: 1,
    build_time_stats: { delete: noTimes, start: noTimes, stop: noTimes },
    description: "",
    deprecated: false,
    deprecation_message: "",
    deleted: false,
    icon: "",
    default_ttl_ms: 0,
    activity_bump_ms: 3_600_000,
    time_til_autostop_notify_ms: 0,
    autostop_requirement: { days_of_week: [], weeks: 1 },
    autostart_requirement: {
      days_of_week: ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    },
    created_by_id: owner.id,
    created_by_name: owner.username,
    allow_user_autostart: true,
    allow_user_autostop: true,
    allow_user_cancel_workspace_jobs: false,
    failure_ttl_ms: 0,
    time_til_dormant_ms: 0,
    time_til_dormant_autodelete_ms: 0,
    require_active_version: template.requiresActiveVersion,
    max_port_share_level: "public",
    cors_behavior: "simple",
    use_classic_parameter_flow: false,
    disable_module_cache: false,
  });
}

export function parameterJson(parameter: SandboxParameter): Json {
  const { name, type = "string", description = "", defaultValue } = parameter;
  return {
    name,
    description,
    description_plaintext: description,
    type,
    form_type: "",
    mutable: parameter.mutable ?? true,
    default_value: defaultValue ?? "",
    icon: "",
    options: (parameter.options ?? []).map((value) => ({
      name: value,
      description: "",
      value,
      icon: "",
    })),
    required: defaultValue === undefined,
    ephemeral: parameter.ephemeral ?? false,
  };
}
