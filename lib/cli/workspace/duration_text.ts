/** Durations in the official command's two forms: the short one of its tables, and Go's own. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `<1m`, `45m`, `2h30m`, `3d4h`; the sign is not shown. */
export function shortDuration(ms: number): string {
  const positive = Math.abs(ms);
  if (positive === 0) return "0s";
  if (positive < MINUTE) return "<1m";
  const exact = positive > DAY ? positive - positive % HOUR : positive;
  const days = Math.floor(exact / DAY);
  const hours = Math.floor(exact % DAY / HOUR);
  const minutes = Math.floor(exact % HOUR / MINUTE);
  return [[days, "d"], [hours, "h"], [minutes, "m"]]
    .map(([count, unit]) => count === 0 ? "" : `${count}${unit}`).join("");
}

/** `1h2m3s`, whole seconds, as Go's `Duration.String`. */
export function goDuration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const sign = ms < 0 && seconds > 0 ? "-" : "";
  const [h, m, s] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) return `${sign}${h}h${m}m${s}s`;
  return m > 0 ? `${sign}${m}m${s}s` : `${sign}${s}s`;
}
