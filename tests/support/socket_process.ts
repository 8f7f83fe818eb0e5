/**
 * Tests of unix sockets. Deno names each path of one in its permissions, so that tests, which may use 127.0.0.1 only, run those in
 * a process of their own, which is the same file again.
 */
import { strictEqual } from "node:assert/strict";

/** Whether this is that process. */
export const MAY_USE_SOCKETS = (await Deno.permissions.query({ name: "net" })).state === "granted";

/** Runs the tests of a file where unix sockets may be used; what they printed. Fails as they do. */
export async function runWithSockets(fileUrl: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", fileUrl],
    env: { NO_COLOR: "1" },
  }).output();
  const [said, complaints] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  strictEqual(code, 0, `${said}${complaints}`);
  return said ?? "";
}
