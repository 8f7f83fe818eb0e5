/** The deployment that the environment names. */
import type { Setting } from "./check.ts";
import { type Deployment, Desk } from "./desk.ts";

export const LIVE_VARIABLES = [
  "CODER_URL",
  "CODER_SESSION_TOKEN",
  "HAWSER_LIVE_WORKSPACE",
] as const;

export function missingVariables(): string[] {
  return LIVE_VARIABLES.filter((name) => (Deno.env.get(name) ?? "") === "");
}

export function liveDeployment(): Deployment {
  const [url, token, workspace] = LIVE_VARIABLES.map((name) => Deno.env.get(name) ?? "");
  if (!url || !token || !workspace) throw new Error(`Missing: ${missingVariables().join(", ")}`);
  return { url, token, workspace };
}

export async function openLiveDesk(): Promise<Setting> {
  const desk = await Desk.open(liveDeployment());
  return { desk, [Symbol.asyncDispose]: () => desk[Symbol.asyncDispose]() };
}

/** What the launcher found missing in the workspace. */
export function missingThere(): string[] {
  return (Deno.env.get("HAWSER_LIVE_MISSING") ?? "").split(" ").filter((name) => name !== "");
}

/** The deployment's release, as the launcher found it. */
export function liveVersion(): string | undefined {
  return Deno.env.get("HAWSER_LIVE_VERSION");
}
