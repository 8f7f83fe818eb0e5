/** What the benchmark measures, as data: each figure with its unit and, where there is one, what it should come to. */

export type Group = "relay" | "direct" | "wan" | "starts" | "echo" | "memory";
export type Path = "relay" | "direct";
export type Direction = "down" | "up";

export const GROUPS: readonly Group[] = ["relay", "direct", "wan", "starts", "echo", "memory"];
export const DIRECTIONS: readonly Direction[] = ["down", "up"];

/** What hawser's median should be. */
export type Aim =
  /** At least so many times the other's. `against`: the best of the other's figures of these ids. @default the same figure */
  | { readonly kind: "timesAtLeast"; readonly factor: number; readonly against?: readonly string[] }
  /** At most so many times the other's. */
  | { readonly kind: "timesAtMost"; readonly factor: number }
  | { readonly kind: "atMost"; readonly value: number }
  /** At most so many times hawser's own figure of that id. */
  | { readonly kind: "timesOwnAtMost"; readonly factor: number; readonly of: string };

export interface Figure {
  readonly id: string;
  readonly group: Group;
  readonly name: string;
  readonly unit: string;
  /** Behind the point. */
  readonly digits: number;
  readonly aim?: Aim;
}

/** A wire between client and deployment, in the words of `peer link`. */
export interface Wire {
  readonly id: string;
  readonly name: string;
  readonly shape: string;
  /** How much is sent, so that a transfer takes seconds; a relay drops what waits in it and is slow at a distance. */
  readonly bytes: Readonly<Record<Path, number>>;
  readonly aims?: Readonly<Partial<Record<`${Path}.${Direction}`, Aim>>>;
}

const HALF_MORE: Aim = { kind: "timesAtLeast", factor: 1.5 };
const CPU: Aim = { kind: "timesAtMost", factor: 0.6 };
const BULK_RSS: Aim = { kind: "atMost", value: 120 };
const BETTER_PATH: Aim = {
  kind: "timesAtLeast",
  factor: 1,
  against: ["50ms-half.relay.down", "50ms-half.direct.down"],
};

export const WIRES: readonly Wire[] = [
  {
    id: "50ms",
    name: "50 ms",
    shape: "delay=25ms",
    bytes: { relay: 4e6, direct: 25e6 },
    aims: {
      "relay.down": HALF_MORE,
      "relay.up": HALF_MORE,
      "direct.down": HALF_MORE,
      "direct.up": HALF_MORE,
    },
  },
  {
    id: "50ms-half",
    name: "50 ms, 0.5 % loss",
    shape: "delay=25ms loss=0.005",
    bytes: { relay: 2e6, direct: 3e6 },
    aims: { "direct.up": { kind: "timesAtLeast", factor: 5 }, "direct.down": BETTER_PATH },
  },
  {
    id: "50ms-two",
    name: "50 ms, 2 % loss",
    shape: "delay=25ms loss=0.02",
    bytes: { relay: 7e5, direct: 7e5 },
  },
  { id: "150ms", name: "150 ms", shape: "delay=75ms", bytes: { relay: 1e6, direct: 15e6 } },
  {
    id: "20mbit",
    name: "20 ms, 20 Mbit/s, queue of 50 kB",
    shape: "delay=10ms rate=20mbit queue=50000",
    bytes: { relay: 5e6, direct: 5e6 },
  },
];

/** Where starts are measured besides the loopback, as far away as that; of both follows how many round trips a start takes. */
export const START_RTT_MS = 50;
export const FAR_START_RTT_MS = 200;
/** Where UDP dies. */
export const FALLBACK_WIRE = "delay=10ms";
/** Where a keystroke competes for a narrow link. */
export const ECHO_WIRE = "delay=10ms rate=20mbit queue=50000";

const TRANSFERS = [["tunnel", "TCP in the tunnel"], ["openssh", "OpenSSH"]] as const;
const ECHO_PLACES = [
  ["loopback", "loopback, relay", "relay"],
  ["20mbit", "20 Mbit/s, direct", "direct"],
] as const;
const COMPANY = [["same", "on the same connection"], ["other", "on another connection"]] as const;

export const FIGURES: readonly Figure[] = [
  ...(["relay", "direct"] as const).flatMap(loopbackFigures),
  {
    id: "relay.channels",
    group: "relay",
    name: "relay, 200 channels in one connection, opened and answered",
    unit: "ms",
    digits: 0,
  },
  ...WIRES.flatMap(wireFigures),
  {
    id: "50ms.first-byte",
    group: "starts",
    name: "50 ms: first byte",
    unit: "ms",
    digits: 0,
    aim: CPU,
  },
  {
    id: "50ms.command",
    group: "starts",
    name: "50 ms: `ssh far true`",
    unit: "ms",
    digits: 0,
    aim: CPU,
  },
  ...([["first-byte", "first byte"], ["command", "`ssh far true`"]] as const).map((
    [id, name],
  ): Figure => ({
    id: `round-trips.${id}`,
    group: "starts",
    name: `${name}: what each ms of round trip costs`,
    unit: "ms",
    digits: 1,
  })),
  ...(["keystrokes", "download"] as const).map((what): Figure => ({
    id: `fallback.${what}`,
    group: "wan",
    name: `UDP dies under ${what === "download" ? "a download" : "keystrokes"}: longest stall`,
    unit: "ms",
    digits: 0,
    aim: { kind: "atMost", value: 1_000 },
  })),
  ...ECHO_PLACES.flatMap(([place, where]) => echoFigures(place, where)),
  {
    id: "memory.idle",
    group: "memory",
    name: "idle session: RSS",
    unit: "MiB",
    digits: 0,
    aim: { kind: "atMost", value: 70 },
  },
];

function loopbackFigures(path: Path): Figure[] {
  const bulk: Aim = path === "relay" ? HALF_MORE : { kind: "timesAtLeast", factor: 1.2 };
  return [
    { id: `${path}.first-byte`, group: path, name: `${path}, first byte`, unit: "ms", digits: 0 },
    ...TRANSFERS.flatMap(([how, what]) =>
      DIRECTIONS.flatMap((direction): Figure[] => {
        const id = `${path}.${how}.${direction}`;
        const name = `${path}, ${what}, ${direction}`;
        return [
          { id, group: path, name, unit: "MB/s", digits: 0, aim: bulk },
          { id: `${id}.cpu`, group: path, name, unit: "CPU s/GB", digits: 1, aim: CPU },
          { id: `${id}.peer`, group: path, name, unit: "CPU s/GB of relay and agent", digits: 1 },
          {
            id: `${id}.rss`,
            group: path,
            name,
            unit: "peak RSS MiB",
            digits: 0,
            aim: BULK_RSS,
          },
        ];
      })
    ),
  ];
}

function wireFigures({ id, name, aims }: Wire): Figure[] {
  return (["relay", "direct"] as const).flatMap((path) =>
    DIRECTIONS.map((direction): Figure => {
      const aim = aims?.[`${path}.${direction}`];
      return {
        id: `${id}.${path}.${direction}`,
        group: "wan",
        name: `${name}: ${path}, ${direction}`,
        unit: "MB/s",
        digits: 2,
        ...(aim === undefined ? {} : { aim }),
      };
    })
  );
}

function echoFigures(place: string, where: string): Figure[] {
  const idle = `echo.${place}.idle`;
  const common = { group: "echo", unit: "ms", digits: 1 } as const;
  return [
    { id: idle, name: `echo, ${where}: idle`, ...common },
    ...COMPANY.flatMap(([company, beside]) =>
      DIRECTIONS.map((direction): Figure => ({
        id: `echo.${place}.${company}.${direction}`,
        name: `echo, ${where}: bulk ${direction} ${beside}`,
        aim: { kind: "timesOwnAtMost", factor: 2, of: idle },
        ...common,
      }))
    ),
  ];
}
