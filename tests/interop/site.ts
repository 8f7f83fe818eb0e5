/** A deployment of the Go peer and a desk before it: where interop tests happen. */
import { type Check, isInstalled, register, testWith } from "../live/check.ts";
import { Desk, type DeskOptions } from "../live/desk.ts";
import { Peer } from "./peer.ts";

export interface Site extends AsyncDisposable {
  readonly peer: Peer;
  readonly desk: Desk;
}

export interface SiteOptions {
  /** Of `peer serve`. @default none */
  readonly peer?: readonly string[];
  /** Of the desk. @default this checkout, no flags */
  readonly desk?: DeskOptions;
  /** The release that the peer plays, for checks that need a newer one. @default the newest */
  readonly version?: string;
}

export async function openSite(options: SiteOptions = {}): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const peer = stack.use(await Peer.start(options.peer ?? []));
  const desk = stack.use(await Desk.open(peer.deployment, options.desk));
  const kept = stack.move();
  return { peer, desk, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The checks of `tests/live/` against a peer of their own. */
export function registerOnPeer(
  subject: string,
  checks: readonly Check[],
  options: SiteOptions = {},
): void {
  const { version } = options;
  register({ subject, checks, needs: PEER_NEEDS, version, open: () => openSite(options) });
}

/** A test with a peer of its own, to do damage to. */
export function siteTest(
  name: string,
  options: SiteOptions,
  run: (site: Site) => Promise<void>,
): void {
  const missing = ["sh", "ssh", ...PEER_NEEDS].filter((program) => !isInstalled(program));
  testWith(name, missing, async () => {
    await using site = await openSite(options);
    await run(site);
  });
}

export const PEER_NEEDS: readonly string[] = (Deno.env.get("HAWSER_PEER") ?? "") === ""
  ? ["go"]
  : [];
