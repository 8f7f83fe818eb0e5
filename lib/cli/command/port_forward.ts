/** `port-forward`: ports of a workspace on this machine (docs/protocol/ssh.md#commands-about-workspaces). */
import { UserError } from "../../base/errors.ts";
import type { ForwardSet } from "../../ssh/forwards.ts";
import { listFlag, switchFlag } from "../grammar/flag.ts";
import { sharesTunnel } from "../grammar/flags_global.ts";
import { AutoForwards } from "../session/port_forward/auto.ts";
import { DatagramForwards } from "../session/port_forward/datagrams.ts";
import { WorkspaceLink } from "../session/port_forward/link.ts";
import { listenFor, type ListenHost } from "../session/port_forward/listeners.ts";
import { parsePortSpecs, type PortSpec } from "../session/port_forward/specs.ts";
import { type Surroundings, withClient } from "../workspace/surroundings.ts";
import { defineCommand, type Invocation } from "./command.ts";

export const command = defineCommand({
  name: "port-forward",
  usage: "[flags] <workspace>",
  summary: "Forward ports of a workspace to this machine.",
  description:
    "Forwards ports of a workspace to this machine, and keeps doing so after a restart of the " +
    "workspace. `tunnel` is another name for it. The other way around: hawser ssh -R.",
  examples: [
    {
      line: "hawser port-forward dev --tcp 8080",
      does: "Port 8080 of the workspace, on 8080 here",
    },
    { line: "hawser port-forward dev --tcp 5678:1234", does: "Port 1234 of it, on 5678 here" },
    { line: "hawser port-forward dev -p 8080,9090-9092,10000-10002:10010-10012", does: "Several" },
    { line: "hawser port-forward dev --udp 5353:53", does: "UDP port 53 of it, on 5353 here" },
    { line: "hawser port-forward dev --tcp 0.0.0.0:8080:8080", does: "For others on your network" },
    { line: "hawser port-forward dev --auto", does: "Whatever begins to listen there" },
  ],
  flags: {
    tcp: listFlag({
      name: "tcp",
      completes: "ports",
      shorthand: "p",
      env: "CODER_PORT_FORWARD_TCP",
      help: "TCP ports: [address:]local[-end][:remote[-end]].",
    }),
    udp: listFlag({
      name: "udp",
      env: "CODER_PORT_FORWARD_UDP",
      help: "UDP ports, likewise.",
    }),
    auto: switchFlag({
      name: "auto",
      help: "Forward every port on which something in the workspace listens, as it comes and goes.",
    }),
    disableAutostart: switchFlag({
      name: "disable-autostart",
      env: "CODER_SSH_DISABLE_AUTOSTART",
      help: "Do not start a stopped workspace.",
    }),
  },
  positionals: { min: 1, max: 1, complete: "workspaces" },
  run: (flags, invocation) =>
    withClient(invocation, async (around) => {
      const specs = parsePortSpecs(flags.tcp, flags.udp);
      if (specs.length === 0 && !flags.auto) {
        throw new UserError("no port-forwards requested", {
          hint: "Name a port, as in --tcp 8080, or say --auto",
        });
      }
      return await run(around, { ...flags, invocation, specs });
    }),
});

interface Plan {
  readonly invocation: Invocation;
  readonly specs: readonly PortSpec[];
  readonly auto: boolean;
  readonly disableAutostart: boolean;
}

async function run(
  { configuration, steps: outer, interrupt }: Surroundings,
  plan: Plan,
): Promise<number> {
  const { invocation: { global, name, args: [input = ""] }, specs, auto } = plan;
  const scope = new AbortController();
  const steps = { ...outer, signal: AbortSignal.any([outer.signal, scope.signal]) };
  const { progress } = steps;
  if (global.disableDirectConnections) progress.line("Direct connections disabled.");
  await using link = await WorkspaceLink.open(steps, {
    configuration,
    command: name,
    input,
    hostPrefix: "",
    hostnameSuffix: "",
    disableAutostart: plan.disableAutostart,
    wait: "no",
    noVersionWarning: global.noVersionWarning,
    noFeatureWarning: global.noFeatureWarning,
    disablesDirect: global.disableDirectConnections,
    sharesTunnel: sharesTunnel(global),
  });
  const listen: ListenHost = {
    far: link.farSide,
    sockets: steps.host.sockets,
    say: (line) => progress.line(line),
    now: () => steps.host.clock.now(),
  };
  const sets: ForwardSet[] = [];
  const tasks: Promise<void>[] = [];
  await using automatic = new AutoForwards(steps, listen, {
    agentId: () => link.agentId,
    taken: new Set(specs.filter(({ network }) => network === "tcp").map(({ remote }) => remote)),
  });
  await using datagrams = new DatagramForwards({
    openUdp: (port, signal) => link.openUdp(port, signal),
    sockets: listen.sockets,
    clock: steps.host.clock,
    say: listen.say,
  });
  try {
    for (const spec of specs) {
      if (spec.network === "udp") await datagrams.listen(spec);
      else sets.push(...await listenFor(listen, spec));
    }
    await link.reachable();
    progress.line("Ready!");
    tasks.push(link.follow(), ...(auto ? [automatic.run()] : []));
    if (datagrams.listening.length > 0) tasks.push(datagrams.run(steps.signal));
    await Promise.all(tasks);
  } catch (error) {
    if (interrupt.exitCode === undefined) throw error;
    progress.line("");
    progress.line("Received signal, closing all listeners and active connections");
  } finally {
    scope.abort();
    await Promise.allSettled(tasks);
    await Promise.all(sets.map((set) => set.close()));
  }
  return 0;
}
