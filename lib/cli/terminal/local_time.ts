/** Times as log lines show them, in the zone of the host's clock. */
import type { HostClock } from "../../base/host.ts";

/** `2006-01-02 15:04:05.000` in local time. */
export function localTime(clock: HostClock, wallMs: number): string {
  const shifted = new Date(wallMs + clock.utcOffsetMinutes(wallMs) * 60_000);
  return shifted.toISOString().replace("T", " ").replace("Z", "");
}

/** As `localTime`, with the zone behind: `Z` or `+02:00`. */
export function localTimeWithZone(clock: HostClock, wallMs: number): string {
  return localTime(clock, wallMs) + zone(clock.utcOffsetMinutes(wallMs));
}

/** `2006-01-02T15:04:05+02:00` in local time (RFC 3339 §5.6). */
export function localRfc3339(clock: HostClock, wallMs: number): string {
  const seconds = localTime(clock, wallMs).slice(0, 19).replace(" ", "T");
  return seconds + zone(clock.utcOffsetMinutes(wallMs));
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun"]
  .concat("Jul", "Aug", "Sep", "Oct", "Nov", "Dec");

/** `Jan _2 15:04:05` in local time, Go's `time.Stamp`. */
export function localDateStamp(clock: HostClock, wallMs: number): string {
  const text = localTime(clock, wallMs);
  const month = MONTHS[Number(text.slice(5, 7)) - 1];
  return `${month} ${String(Number(text.slice(8, 10))).padStart(2)} ${text.slice(11, 19)}`;
}

/** `20060102-150405` in local time. */
export function localStamp(clock: HostClock, wallMs: number): string {
  return localTime(clock, wallMs).slice(0, 19).replace(/[-:]/g, "").replace(" ", "-");
}

function zone(offsetMinutes: number): string {
  if (offsetMinutes === 0) return "Z";
  const minutes = Math.abs(offsetMinutes);
  const pad = (n: number) => String(Math.floor(n)).padStart(2, "0");
  return `${offsetMinutes < 0 ? "-" : "+"}${pad(minutes / 60)}:${pad(minutes % 60)}`;
}
