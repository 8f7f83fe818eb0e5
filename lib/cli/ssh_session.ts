/** placeholder until composed */
import type { Connected } from "./connect.ts";
import type { SshOptions } from "./flags_ssh.ts";
import type { Interrupt } from "./interrupt.ts";
import type { Steps } from "./steps.ts";
export function runSession(
  _s: Steps,
  _c: Connected,
  _o: { options: SshOptions; interrupt: Interrupt; command: string },
): Promise<number> {
  return Promise.resolve(1);
}
