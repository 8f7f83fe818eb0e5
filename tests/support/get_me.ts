/** A request as plain as they come. */
import * as v from "valibot";
import type { CoderClient } from "../../lib/coder/client.ts";

/** Whom the token belongs to. */
export async function getMe(
  client: CoderClient,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ id: string; username: string }> {
  const schema = v.object({ id: v.string(), username: v.string() });
  return await client.get("/users/me", schema, options);
}
