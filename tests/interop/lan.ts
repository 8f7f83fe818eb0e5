/** `peer lan`: a local network behind a NAT, as network namespaces, and a deployment outside of it with an agent inside. */
import { isInstalled, testWith } from "../live/check.ts";
import { Desk } from "../live/desk.ts";
import { LineReader, Peer } from "./peer.ts";
import { peerBinary } from "./peer_binary.ts";
import { PEER_NEEDS } from "./site.ts";

interface Place {
  readonly namespace: string;
  readonly host: string;
}

interface Places {
  readonly client: Place;
  readonly agent: Place;
  readonly outside: Place;
  /** The address of both as it is seen from outside. */
  readonly router: string;
}

/** Packets between those inside, by their way. */
export interface LanStats {
  readonly hairpinned: number;
  readonly within: number;
}

export class Lan implements AsyncDisposable {
  readonly places: Places;
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(child: Deno.ChildProcess, lines: LineReader, places: Places) {
    this.places = places;
    this.#child = child;
    this.#lines = lines;
    this.#input = child.stdin.getWriter();
  }

  static async open(): Promise<Lan> {
    const child = new Deno.Command("sh", {
      args: ["-c", 'exec "$0" lan', await peerBinary()],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = new LineReader(child.stdout);
    return new Lan(child, lines, JSON.parse(await lines.next()));
  }

  /** Gives a command and waits until it is done. */
  async command(line: string): Promise<void> {
    await this.#ask(line);
  }

  async stats(): Promise<LanStats> {
    const stats: LanStats = JSON.parse(await this.#ask("stats"));
    return stats;
  }

  async #ask(line: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
    const text = await this.#lines.next();
    const answer: { readonly ok: boolean; readonly error?: string } = JSON.parse(text);
    if (!answer.ok) throw new Error(`The router refused "${line}": ${answer.error}`);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#lines.drain();
  }
}

/** A deployment that is reached through the router. */
export interface LanSite {
  readonly lan: Lan;
  readonly peer: Peer;
  readonly desk: Desk;
}

export interface LanOptions {
  /** Where the agent's UDP is: on a machine beside the client's, or on that. */
  readonly agent: "beside" | "same";
  /** Of `peer serve`. @default none */
  readonly peer?: readonly string[];
}

/** A test behind a router. */
export function lanTest(
  name: string,
  options: LanOptions,
  run: (site: LanSite) => Promise<void>,
): void {
  const missing = ["nsenter", ...PEER_NEEDS].filter((program) => !isInstalled(program));
  if (missing.length === 0 && !canMakeNetworks()) missing.push("root and /dev/net/tun on Linux");
  testWith(name, missing, async () => {
    await using lan = await Lan.open();
    const { client, agent, outside } = lan.places;
    const { namespace, host } = options.agent === "beside" ? agent : client;
    await using peer = await Peer.start(
      ["--host", outside.host, "--agent-namespace", namespace, "--agent-host", host]
        .concat(options.peer ?? []),
      at(outside),
    );
    await using desk = await Desk.open(peer.deployment, { within: at(client) });
    await run({ lan, peer, desk });
  });
}

/** Words in front of a command that is to run there. */
function at({ namespace }: Place): readonly string[] {
  return ["nsenter", `--net=${namespace}`];
}

/** Whether this user may have networks of his own on this machine. */
function canMakeNetworks(): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", "unshare --net sh -c ': <>/dev/net/tun'"],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}
