/** Flags of every command (docs/protocol/ssh.md#global-flags), valid before and after its name. */
import type { Log } from "../../base/log.ts";
import type { AnyFlag, ParsedArgs } from "./args.ts";
import { HIDDEN, hideCredentials } from "../../coder/text.ts";
import { listFlag, pathFlag, switchFlag, textFlag } from "./flag.ts";
import { type OptionsOf, optionsOf } from "./options.ts";

export const GLOBAL = {
  help: switchFlag({ name: "help", shorthand: "h", help: "Show what the command does." }),
  url: textFlag({
    name: "url",
    env: "CODER_URL",
    help: "URL of the Coder deployment.",
    shown: hideCredentials,
  }),
  token: textFlag({
    name: "token",
    env: "CODER_SESSION_TOKEN",
    help: "Session token; the variable is the safer place, arguments are visible to others.",
    shown: () => HIDDEN,
  }),
  configDir: pathFlag({
    name: "global-config",
    env: "CODER_CONFIG_DIR",
    help: "Configuration folder, shared with the coder command.",
  }),
  context: textFlag({
    name: "context",
    env: "HAWSER_CONTEXT",
    completes: "contexts",
    help: "Which of several logins to use; hawser context list shows them.",
  }),
  verbose: switchFlag({
    name: "verbose",
    shorthand: "v",
    env: "CODER_VERBOSE",
    help: "Show each step with its time, and errors with their causes.",
  }),
  forceTty: switchFlag({
    name: "force-tty",
    env: "CODER_FORCE_TTY",
    hidden: true,
    help: "Treat the output as a terminal.",
  }),
  headers: listFlag({
    name: "header",
    env: "CODER_HEADER",
    help: "Extra HTTP header for every request, as key=value; may be given several times.",
    shown: () => HIDDEN,
  }),
  headerCommand: textFlag({
    name: "header-command",
    env: "CODER_HEADER_COMMAND",
    help: "Command that prints extra HTTP headers, one key=value a line.",
    shown: () => HIDDEN,
  }),
  noVersionWarning: switchFlag({
    name: "no-version-warning",
    env: "CODER_NO_VERSION_WARNING",
    help: "Do not warn when the server's version does not fit.",
  }),
  noFeatureWarning: switchFlag({
    name: "no-feature-warning",
    env: "CODER_NO_FEATURE_WARNING",
    help: "Do not show warnings about the deployment's licence.",
  }),
  noOpen: switchFlag({
    name: "no-open",
    env: "CODER_NO_OPEN",
    hidden: true,
    help: "Do not open a browser.",
  }),
  debugHttp: switchFlag({
    name: "debug-http",
    hidden: true,
    help: "Show HTTP requests and answers.",
  }),
  debugOptions: switchFlag({
    name: "debug-options",
    hidden: true,
    help: "Show where each option's value comes from.",
  }),
  disableDirectConnections: switchFlag({
    name: "disable-direct-connections",
    env: "CODER_DISABLE_DIRECT_CONNECTIONS",
    help: "Reach workspaces through relays only.",
  }),
  sharedTunnel: switchFlag({
    name: "shared-tunnel",
    env: "HAWSER_SHARED_TUNNEL",
    help: "Leave the tunnel to the next runs for a minute, and use theirs (Linux, macOS).",
  }),
  noSharedTunnel: switchFlag({
    name: "no-shared-tunnel",
    help: "Have a tunnel of its own, whatever HAWSER_SHARED_TUNNEL says.",
  }),
  disableNetworkTelemetry: switchFlag({
    name: "disable-network-telemetry",
    env: "CODER_DISABLE_NETWORK_TELEMETRY",
    help: "Accepted for compatibility; hawser sends no telemetry.",
  }),
  useKeyring: switchFlag({
    name: "use-keyring",
    env: "CODER_USE_KEYRING",
    initial: true,
    help: "Keep the session token in the system's keyring (macOS, Windows).",
  }),
  caFile: pathFlag({
    name: "client-tls-ca-file",
    env: "CODER_CLIENT_TLS_CA_FILE",
    help: "Certificates of the authorities to trust, PEM; besides the system's.",
  }),
  certFile: pathFlag({
    name: "client-tls-cert-file",
    env: "CODER_CLIENT_TLS_CERT_FILE",
    help: "Certificate to show to the deployment, PEM; needs --client-tls-key-file.",
  }),
  keyFile: pathFlag({
    name: "client-tls-key-file",
    env: "CODER_CLIENT_TLS_KEY_FILE",
    help: "Key of --client-tls-cert-file, PEM.",
  }),
} as const;

export const GLOBAL_FLAGS: readonly AnyFlag[] = Object.values(GLOBAL);

/** Empty texts where nothing was said: the configuration and the system's default folder count then. */
export interface GlobalOptions extends OptionsOf<typeof GLOBAL> {
  /** Those whose value is a variable's. @default none */
  readonly fromEnvironment?: ReadonlySet<keyof typeof GLOBAL>;
  /** The folder counts as it is, whichever context is in use. @default false */
  readonly isFolderFixed?: boolean;
  /** Told what was decided. @default nobody is */
  readonly log?: Log;
}

export function sharesTunnel({ sharedTunnel, noSharedTunnel }: GlobalOptions): boolean {
  return sharedTunnel && !noSharedTunnel;
}

export function globalOptionsOf(parsed: ParsedArgs): GlobalOptions {
  const names = ["url", "token", "context", "headers", "headerCommand"] as const;
  return {
    ...optionsOf(GLOBAL, parsed),
    fromEnvironment: new Set(names.filter((name) => parsed.source(GLOBAL[name]) === "env")),
  };
}
