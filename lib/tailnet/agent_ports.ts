/** TCP ports inside the tunnel that the agent itself answers (coder/coder `codersdk/workspacesdk/workspacesdk.go`). */

/** The agent's SSH server. */
export const AGENT_SSH_PORT = 1;

/** Its end of a speed test. */
export const SPEED_TEST_PORT = 3;

/** Its reconnecting terminals. */
export const RECONNECTING_TERMINAL_PORT = 2;
