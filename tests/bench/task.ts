/** One measurement of one contestant, of which several figures may come. */
import type { Contestant } from "./contestants.ts";
import type { Group } from "./figures.ts";
import type { Place } from "./place.ts";

export interface Task {
  readonly group: Group;
  /** For people. */
  readonly name: string;
  /** Of how many rounds it takes part at most. @default all */
  readonly rounds?: number;
  /** Whether the place lies behind the link. */
  readonly isFar: boolean;
  /** Gives values by the ids of their figures. */
  readonly run: (place: Place, contestant: Contestant) => Promise<Readonly<Record<string, number>>>;
}

/** Shapes the wire before, and takes its faults away afterwards. */
export async function onWire<T>(
  { link }: Place,
  shape: string,
  run: (shapeLink: (words: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  if (link === undefined) throw new TypeError("There is no wire at this place");
  await link.shape(shape);
  try {
    return await run((words) => link.shape(words));
  } finally {
    await link.shape("");
  }
}
