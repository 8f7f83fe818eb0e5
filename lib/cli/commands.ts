/** The commands there are: each one's file is loaded when it runs, or when somebody asks for the list. */
import type { Command } from "./command/command.ts";

/** What stands behind a name: a command, or a group of them whose names have two words. */
export type Entry = CommandEntry | { readonly name: string; readonly entries: readonly Entry[] };

export interface CommandEntry {
  readonly name: string;
  /** Other names for it, which no list shows. */
  readonly aliases?: readonly string[];
  readonly load: () => Promise<{ readonly command: Command }>;
  /** Commands whose first word is this one's name, beside the command itself. */
  readonly below?: readonly CommandEntry[];
}

export const COMMANDS: readonly Entry[] = [
  { name: "ssh", load: () => import("./command/ssh.ts") },
  {
    name: "login",
    load: () => import("./command/login.ts"),
    below: [{ name: "token", load: () => import("./command/login_token.ts") }],
  },
  { name: "logout", load: () => import("./command/logout.ts") },
  {
    name: "context",
    entries: [
      { name: "list", aliases: ["ls"], load: () => import("./command/context_list.ts") },
      { name: "use", load: () => import("./command/context_use.ts") },
      { name: "rename", load: () => import("./command/context_rename.ts") },
      { name: "remove", aliases: ["rm"], load: () => import("./command/context_remove.ts") },
    ],
  },
  { name: "whoami", load: () => import("./command/whoami.ts") },
  { name: "list", aliases: ["ls"], load: () => import("./command/list.ts") },
  { name: "show", load: () => import("./command/show.ts") },
  { name: "start", load: () => import("./command/start.ts") },
  { name: "stop", load: () => import("./command/stop.ts") },
  { name: "restart", load: () => import("./command/restart.ts") },
  { name: "logs", load: () => import("./command/logs.ts") },
  { name: "ports", load: () => import("./command/ports.ts") },
  { name: "cp", load: () => import("./command/cp.ts") },
  { name: "port-forward", aliases: ["tunnel"], load: () => import("./command/port_forward.ts") },
  {
    name: "open",
    entries: [
      { name: "vscode", load: () => import("./command/open_vscode.ts") },
      { name: "jetbrains", load: () => import("./command/open_jetbrains.ts") },
      { name: "app", load: () => import("./command/open_app.ts") },
      { name: "web", load: () => import("./command/open_web.ts") },
    ],
  },
  { name: "ping", load: () => import("./command/ping.ts") },
  { name: "speedtest", load: () => import("./command/speedtest.ts") },
  { name: "netcheck", load: () => import("./command/netcheck.ts") },
  { name: "doctor", load: () => import("./command/doctor.ts") },
  { name: "support", load: () => import("./command/support.ts") },
  { name: "config-ssh", load: () => import("./command/config_ssh.ts") },
  { name: "completion", load: () => import("./command/completion.ts") },
  { name: "demo", load: () => import("./command/demo.ts") },
  { name: "update", load: () => import("./command/update.ts") },
  { name: "hold-tunnel", load: () => import("./command/hold_tunnel.ts") },
  { name: "vscodessh", load: () => import("./command/vscodessh.ts") },
  {
    name: "connect",
    entries: [{ name: "exists", load: () => import("./command/connect_exists.ts") }],
  },
];

/** All commands, loaded, in the order of the list. */
export async function loadCommands(entries: readonly Entry[] = COMMANDS): Promise<Command[]> {
  const loaded = await Promise.all(entries.map(async (entry) => {
    if ("entries" in entry) return await loadCommands(entry.entries);
    return [(await entry.load()).command, ...await loadCommands(entry.below ?? [])];
  }));
  return loaded.flat();
}
