/** Where contestants meet: a deployment of the Go peer, a desk, and the wire between them. */
import { denoRun, Desk } from "../live/desk.ts";
import { fromFileUrl } from "../live/names.ts";
import type { Process, StartOptions } from "../live/process.ts";
import { Peer } from "../interop/peer.ts";
import { Link } from "./link.ts";

const LIMIT_MS = 90_000;

export interface Place extends AsyncDisposable {
  readonly peer: Peer;
  readonly desk: Desk;
  readonly runs: Runs;
  /** Words in front of what a client runs. */
  readonly within: readonly string[];
  /** The client's address. */
  readonly host: string;
  /** `undefined`: the loopback. */
  readonly link: Link | undefined;
}

/** What runs, so that it can be ended. */
export class Runs {
  readonly #running = new Set<Process>();
  #isOver = false;

  /** Throws when all is over. */
  start(desk: Desk, argv: readonly string[], options: Partial<StartOptions> = {}): Process {
    if (this.#isOver) throw new Error("Interrupted");
    const process = desk.start(argv, { limitMs: LIMIT_MS, ...options });
    this.#running.add(process);
    const forget = () => void this.#running.delete(process);
    process.exit().then(forget, forget);
    return process;
  }

  /** Ends what runs and lets nothing begin. Not at once: who has children passes it on. */
  end(): void {
    this.#isOver = true;
    for (const process of this.#running) process.kill("SIGTERM");
  }
}

export async function openLoopback(runs: Runs): Promise<Place> {
  return await open({ runs, host: "127.0.0.1", within: [], link: undefined }, []);
}

/** Throws where there can be no link. */
export async function openFar(runs: Runs): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await Link.open());
  const place = await open(
    { runs, host: link.near.host, within: Link.at(link.near), link },
    Link.at(link.far),
  );
  const kept = stack.move();
  return {
    ...place,
    async [Symbol.asyncDispose]() {
      await place[Symbol.asyncDispose]();
      await kept.disposeAsync();
    },
  };
}

type Parts = Pick<Place, "runs" | "host" | "within" | "link">;

async function open(parts: Parts, peerWithin: readonly string[]): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const host = parts.link?.far.host ?? parts.host;
  const peer = stack.use(await Peer.start(["--host", host], peerWithin));
  const bundle = fromFileUrl(new URL("../../dist/bundle/main.js", import.meta.url));
  // What the executables may do as well.
  const program = Deno.env.has("HAWSER_PROGRAM")
    ? {}
    : { program: [...denoRun(), "--allow-ffi", "--no-config", bundle] };
  const desk = stack.use(await Desk.open(peer.deployment, program));
  const kept = stack.move();
  return { ...parts, peer, desk, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
