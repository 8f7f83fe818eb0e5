/**
 * The relay that we are at home in, over maps that change and relays that fail: when the choice is made and made anew, and
 * when there is none. What makes one relay better than another is in `home_region.ts`.
 */
import type { Core, Instant } from "../base/core.ts";
import type { TunnelFailure } from "../base/tunnel.ts";
import { type DerpMap, relayRegions } from "./derp_map.ts";
import { HomeChoice } from "./home_region.ts";

export type HomeEvent =
  /** Measure the way to these regions and tell `handleLatencies`. */
  | { readonly kind: "probe"; readonly map: DerpMap }
  /** From now on this region is home. */
  | { readonly kind: "chosen"; readonly region: number }
  /** There is no relay, or none that lets us in. Those that there are have their chance again. */
  | { readonly kind: "failed"; readonly failure: TunnelFailure };

/** Slower relays are not waited for. */
const CHOICE_MS = 1_500;

export class Home implements Core<HomeEvent> {
  readonly #choice = new HomeChoice();
  readonly #events: HomeEvent[] = [];
  #map: DerpMap | undefined;
  #region: number | undefined;
  /** When the choice is made whatever was measured; `undefined` while none is due. */
  #chooseAt: Instant | undefined;

  get region(): number | undefined {
    return this.#region;
  }

  /** The region's name as people know it. */
  nameOf(region: number): string {
    return this.#map?.regions.get(region)?.name ?? `Unnamed ${region}`;
  }

  /** Takes a map; whether it is of any use. */
  handleMap(map: DerpMap, now: Instant): boolean {
    const regions = relayRegions(map);
    // A map without relays, once there were some, is somebody's mistake: what works is kept.
    if (regions.length === 0 && this.#region !== undefined) return false;
    this.#map = map;
    this.#choice.forgetFailures();
    if (this.#region !== undefined && regions.some(({ id }) => id === this.#region)) return true;
    if (regions.length === 0) this.#fail({ kind: "noRelay" });
    else if (regions.length === 1 || this.#region !== undefined) this.#choose(map);
    else if (this.#chooseAt === undefined) {
      this.#chooseAt = now + CHOICE_MS;
      this.#events.push({ kind: "probe", map });
    }
    return true;
  }

  /** Milliseconds to each region that answered; the rest did not in time. */
  handleLatencies(latencies: ReadonlyMap<number, number>): void {
    this.#choice.setLatencies(latencies);
    if (this.#region === undefined && this.#map !== undefined) this.#choose(this.#map);
  }

  /** A relay lets us not in: ours, or the one that the agent is at home in; others do not matter. */
  handleUnreachable(
    relay: { readonly region: number; readonly reason: string },
    agentRegion: number | undefined,
  ): void {
    const { region, reason } = relay;
    if (region !== this.#region && region !== agentRegion) return;
    if (region === this.#region && this.#map !== undefined) {
      this.#choice.markUnreachable(region);
      // Without the agent's relay another home is of no use, but the agent may move.
      if (this.#choose(this.#map)) {
        if (region !== agentRegion) return;
      } else this.#choice.forgetFailures();
    }
    this.#fail({ kind: "relayUnreachable", relay: this.nameOf(region), reason });
  }

  /** Nothing is to be chosen any more. */
  stop(): void {
    this.#chooseAt = undefined;
    this.#events.length = 0;
  }

  handleTimeout(now: Instant): void {
    if (this.#chooseAt === undefined || this.#chooseAt > now) return;
    this.#chooseAt = undefined;
    this.handleLatencies(new Map());
  }

  pollTimeout(): Instant | undefined {
    return this.#chooseAt;
  }

  pollEvent(): HomeEvent | undefined {
    return this.#events.shift();
  }

  /** Whether there was anything to choose. */
  #choose(map: DerpMap): boolean {
    const region = this.#choice.bestOf(map);
    if (region === undefined) return false;
    this.#chooseAt = undefined;
    this.#region = region;
    this.#events.push({ kind: "chosen", region });
    return true;
  }

  #fail(failure: TunnelFailure): void {
    this.#events.push({ kind: "failed", failure });
  }
}
