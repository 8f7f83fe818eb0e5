/** The two sides of the benchmark, hawser and the Go peer's own client, as commands that do the same things. */
import { fromFileUrl, shellQuote } from "../live/names.ts";
import { peerBinary } from "../interop/peer_binary.ts";
import type { Direction, Path } from "./figures.ts";
import type { Place } from "./place.ts";

/** Whoever started one may be gone by then. */
const LIMIT_SECONDS = 80;

export interface Contestant {
  readonly name: string;
  /** A pipe to the agent's SSH server, as `--stdio` is. */
  stdio(path: Path): readonly string[];
  /** One TCP connection to the agent's ports 7001 and 7002, without SSH: prints a `Measurement`. */
  transfer(path: Path, direction: Direction, bytes: number): readonly string[];
  /** A pipe to another port of the agent, over that path from the first byte on. */
  pipe(path: Path, port: number): readonly string[];
  /** Runs `true` in the workspace. */
  command(): readonly string[];
}

export async function contestants(place: Place): Promise<readonly [Contestant, Contestant]> {
  const { desk, peer: { info }, within, host } = place;
  const client = fromFileUrl(new URL("path_client.ts", import.meta.url));
  const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
  const library = [
    ...[Deno.execPath(), "run", "-A", "--quiet", "--no-lock", "--config", config, client],
    ...[info.url, info.token, info.agent_id],
  ];
  const dial = [await peerBinary(), "dial", "--host", host];
  const way = { relay: "--relay-only", direct: "--wait-direct" };
  const program = (...args: readonly string[]) => [
    ...within,
    ...["sh", "-c", `exec ${desk.programCommand(...args)}`],
  ];
  // A program between, for the largest resident size is passed on by exec, and that of the benchmark must not be.
  const bounded = (...words: readonly string[]) => [
    ...within,
    ...["timeout", `${LIMIT_SECONDS}`, ...words],
  ];
  return [
    {
      name: "hawser",
      stdio: (path) =>
        path === "relay"
          ? program("--disable-direct-connections", "--stdio", desk.workspace)
          : program("--stdio", desk.workspace),
      transfer: (path, direction, bytes) => bounded(...library, path, direction, `${bytes}`),
      pipe: (path, port) => bounded(...library, path, "pipe", `${port}`),
      command: () => program(desk.workspace, "true"),
    },
    {
      name: "Go client",
      stdio: (path) => [
        ...within,
        ...dial,
        ...(path === "relay" ? ["--relay-only"] : []),
        "stdio",
      ],
      transfer: (path, direction, bytes) => bounded(...dial, way[path], direction, `${bytes}`),
      pipe: (path, port) => bounded(...dial, way[path], "--port", `${port}`, "stdio"),
      command: () => [...within, ...dial, "run", "true"],
    },
  ];
}

/** The words of a command for a shell. */
export function line(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}
