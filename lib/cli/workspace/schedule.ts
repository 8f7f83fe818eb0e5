/**
 * When a workspace starts by itself: `CRON_TZ=Europe/Berlin 30 9 * * 1-5`, in words, and the next time of it. Five fields as crontab(5)
 * has them, of which day of month and month are always `*` (coder/coder `coderd/schedule/cron`).
 */

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A week, and the hour that a change of the clocks may take. */
const MAX_AHEAD_MS = 8 * 24 * HOUR_MS;

export interface Schedule {
  readonly zone: string;
  readonly minute: string;
  readonly hour: string;
  readonly days: string;
}

/** `undefined` for what is no weekly schedule. */
export function parseSchedule(text: string): Schedule | undefined {
  const fields = text.trim().split(/\s+/);
  const zoned = /^(?:CRON_)?TZ=(.+)$/.exec(fields[0] ?? "");
  if (zoned !== null) fields.shift();
  const [minute = "", hour = "", dayOfMonth, month, days = ""] = fields;
  if (fields.length !== 5 || dayOfMonth !== "*" || month !== "*") return undefined;
  const zone = zoned?.[1] ?? "UTC";
  const schedule = { zone, minute, hour, days };
  return isZone(zone) && setsOf(schedule) !== undefined ? schedule : undefined;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** `9:30AM Mon-Fri (Europe/Berlin)`. */
export function describeSchedule({ zone, minute, hour, days }: Schedule): string {
  return `${timeOfDay(minute, hour)} ${daysOfWeek(days)} (${zone})`;
}

function timeOfDay(minute: string, hour: string): string {
  const isPlain = /^\d{1,2}$/.test(minute) && /^\d{1,2}$/.test(hour);
  if (!isPlain || Number(hour) > 23 || Number(minute) > 59) return `cron(${minute} ${hour})`;
  const twelve = Number(hour) % 12 || 12;
  return `${twelve}:${minute.padStart(2, "0")}${Number(hour) < 12 ? "AM" : "PM"}`;
}

function daysOfWeek(days: string): string {
  if (days === "*") return "daily";
  return DAYS.reduce((text, name, number) => text.replace(String(number), name), days);
}

/** The first instant after `nowMs`, wall-clock milliseconds; `undefined` when there is none. */
export function nextStart(schedule: Schedule, nowMs: number): number | undefined {
  const sets = setsOf(schedule);
  if (sets === undefined) return undefined;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: schedule.zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  let at = nowMs - nowMs % MINUTE_MS + MINUTE_MS;
  while (at < nowMs + MAX_AHEAD_MS) {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const minute = Number(parts.get("minute"));
    const isDay = sets.days.has(DAYS.indexOf(parts.get("weekday") ?? ""));
    if (!isDay || !sets.hours.has(Number(parts.get("hour")))) {
      at += (60 - minute) * MINUTE_MS; // the next hour of that zone
    } else if (sets.minutes.has(minute)) {
      return at;
    } else {
      at += MINUTE_MS;
    }
  }
  return undefined;
}

function setsOf({ minute, hour, days }: Schedule) {
  const minutes = fieldSet(minute, 0, 59);
  const hours = fieldSet(hour, 0, 23);
  const weekdays = fieldSet(
    DAYS.reduce(
      (text, name, number) => text.replaceAll(name.toUpperCase(), String(number)),
      days.toUpperCase(),
    ),
    0,
    6,
  );
  if (minutes === undefined || hours === undefined || weekdays === undefined) return undefined;
  return { minutes, hours, days: weekdays };
}

/** The numbers that one field of crontab(5) names: `*`, `1,3`, `1-5`, `*` or a range with a step behind `/`. */
function fieldSet(field: string, min: number, max: number): ReadonlySet<number> | undefined {
  const set = new Set<number>();
  for (const part of field.split(",")) {
    const match = /^(?:[*?]|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (match === null) return undefined;
    const [, first, last, step] = match;
    const from = Number(first ?? min);
    const to = last !== undefined
      ? Number(last)
      : first === undefined || step !== undefined
      ? max
      : from;
    const by = Number(step ?? 1);
    if (from < min || to > max || from > to || by === 0) return undefined;
    for (let value = from; value <= to; value += by) set.add(value);
  }
  return set;
}
