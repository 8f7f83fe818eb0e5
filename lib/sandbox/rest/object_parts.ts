/** What objects of the API have in common: times, jobs, and what surrounds them all. */
import type { SandboxUser } from "../model/user.ts";

export type Json = Readonly<Record<string, unknown>>;

/** What all objects share. */
export interface ObjectContext {
  readonly organizationId: string;
  readonly provisionerId: string;
  /** The server's version, which its agents have too. */
  readonly version: string;
}

const NIL_UUID = "00000000-0000-0000-0000-000000000000";

export function time(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

export function optionalTime(wallMs: number | undefined): string | null {
  return wallMs === undefined ? null : time(wallMs);
}

/** Only fields that are set: Go's `omitempty`. */
export function present(fields: Readonly<Record<string, number | undefined>>): Json {
  const entries = Object.entries(fields)
    .flatMap(([name, wallMs]) => wallMs === undefined ? [] : [[name, time(wallMs)] as const]);
  return Object.fromEntries(entries);
}

/** Fields that all provisioner jobs have alike. */
export function jobTail(
  job: { readonly fileId: string; readonly type: string },
  owner: SandboxUser,
  around: ObjectContext,
): Json {
  return {
    file_id: job.fileId,
    tags: { owner: "", scope: "organization" },
    queue_position: 0,
    queue_size: 0,
    organization_id: around.organizationId,
    initiator_id: owner.id,
    type: job.type,
    metadata: {
      template_version_name: "",
      template_id: NIL_UUID,
      template_name: "",
      template_display_name: "",
      template_icon: "",
    },
  };
}
