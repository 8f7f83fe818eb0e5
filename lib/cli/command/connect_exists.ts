/**
 * `connect exists <hostname>`, hidden: whether Coder Connect leads to a host, told by the exit code alone. OpenSSH's
 * `Match … exec` asks it (docs/protocol/ssh.md#coder-connect, #config-ssh).
 */
import { UserError } from "../../base/errors.ts";
import { isInCoderConnect } from "../ready/coder_connect.ts";
import type { Host } from "../../base/host.ts";
import { defineCommand } from "./command.ts";

/** Nothing runs beside this lookup, and a wrong "no" sends people around the better way. */
const BUDGET_MS = 1_000;

export const command = defineCommand({
  name: "connect exists",
  usage: "<hostname>",
  summary: "Ask whether Coder Connect leads to a host.",
  description:
    "Asks whether Coder Connect leads to a host. Prints nothing: the exit code is 0 when " +
    "it does and 1 when it does not.",
  examples: [
    { line: "hawser connect exists dev.coder", does: "Ask; `echo $?` has the answer" },
  ],
  isHidden: true,
  flags: {},
  positionals: { min: 1, max: 1 },
  run: (_, { host, args: [hostname = ""] }) => connectExists(host, hostname),
});

/** 0 when the host is there, 1 when it is not. Throws `UserError` for an empty name. */
async function connectExists(
  host: Host,
  hostname: string,
): Promise<number> {
  if (hostname === "") throw new UserError("the hostname is empty");
  const isThere = await isInCoderConnect(hostname, {
    clock: host.clock,
    lookupIpv6: (name, signal) => host.lookupIpv6(name, signal),
    budgetMs: BUDGET_MS,
    signal: new AbortController().signal,
  });
  return isThere ? 0 : 1;
}
