/** Endpoints of the one who asks: is there anybody yet, who am I, give me a key, take it back (docs/protocol/api.md#deployment-and-users). */
import * as v from "valibot";
import { UserError } from "../base/errors.ts";
import type { CoderClient } from "./client.ts";
import { getBuildInfo } from "./deployment.ts";
import { ApiError } from "./errors.ts";
import { ID, list, NEEDED_TEXT, TEXT } from "./model_parts.ts";
import type { CallOptions } from "./workspaces.ts";

/** What stands where a deployment was looked for. */
export type FirstLook =
  /** A deployment that people can log in to. */
  | { readonly kind: "ready" }
  /** A deployment without any user. */
  | { readonly kind: "empty" }
  /** One of a deployment's proxies for workspaces, which has no users; empty when it does not say whose. */
  | { readonly kind: "proxy"; readonly dashboardUrl: string };

/** Needs no token. Throws when it is no deployment. */
export async function lookAtDeployment(
  client: CoderClient,
  options: CallOptions = {},
): Promise<FirstLook> {
  const hasUser = await hasFirstUser(client, options);
  if (hasUser && client.serverVersion !== undefined) return { kind: "ready" };
  // Whoever says yes to everything, or no, is asked for what only a deployment has.
  const { isWorkspaceProxy, dashboardUrl } = await getBuildInfo(client, options);
  if (isWorkspaceProxy) return { kind: "proxy", dashboardUrl };
  return { kind: hasUser ? "ready" : "empty" };
}

/** Not found is only believed of what says that it is Coder (codersdk `HasFirstUser`). */
async function hasFirstUser(client: CoderClient, options: CallOptions): Promise<boolean> {
  try {
    await client.send("GET", "/users/first", options);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    if (client.serverVersion !== undefined) return false;
    throw new UserError("missing build version header, not a coder instance", {
      hint: "Check the URL: something else answers there",
      cause: error,
    });
  }
}

const ROLE = v.object({ name: TEXT, display_name: TEXT, organization_id: TEXT });

const USER = v.pipe(
  v.object({
    id: ID,
    username: NEEDED_TEXT,
    organization_ids: list(ID),
    roles: list(ROLE),
  }),
  v.transform((wire): User => ({
    id: wire.id,
    username: wire.username,
    organizationIds: wire.organization_ids ?? [],
    roles: (wire.roles ?? []).map((role) => ({
      displayName: role.display_name || role.name,
      organizationId: role.organization_id,
    })),
  })),
);

export interface User {
  readonly id: string;
  readonly username: string;
  readonly organizationIds: readonly string[];
  readonly roles: readonly UserRole[];
}

export interface UserRole {
  readonly displayName: string;
  /** Empty for a role in the whole deployment. */
  readonly organizationId: string;
}

/** The one whose token it is. Throws `ApiError` 401 for a token that is none. */
export async function getMe(client: CoderClient, options: CallOptions = {}): Promise<User> {
  return await client.get("/users/me", USER, options);
}

const KEY = v.object({ key: v.pipe(v.string(), v.nonEmpty()) });

/** A new session of the same user, which can be ended without ending the one that asks. */
export async function createSessionKey(
  client: CoderClient,
  options: CallOptions = {},
): Promise<string> {
  return (await client.request("POST", "/users/me/keys", { ...options, schema: KEY })).key;
}

/** Ends the session of the token that asks. One that has ended already is no failure. */
export async function endSession(client: CoderClient, options: CallOptions = {}): Promise<void> {
  try {
    await client.send("POST", "/users/logout", options);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}
