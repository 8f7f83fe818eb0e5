/** Where the deployment is and who we are, from the environment. */
import { UserError } from "../lib/mod.ts";

export function deployment(): { readonly deploymentUrl: URL; readonly token: string } {
  const deploymentUrl = URL.parse(Deno.env.get("CODER_URL") ?? "");
  const token = Deno.env.get("CODER_SESSION_TOKEN") ?? "";
  if (deploymentUrl === null || token === "") {
    throw new UserError("Set CODER_URL and CODER_SESSION_TOKEN");
  }
  return { deploymentUrl, token };
}
