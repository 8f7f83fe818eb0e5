import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { goDuration, shortDuration } from "../../../lib/cli/workspace/duration_text.ts";
import { describeSchedule, nextStart, parseSchedule } from "../../../lib/cli/workspace/schedule.ts";

const ROWS: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ["CRON_TZ=Europe/Berlin 30 9 * * 1-5", "9:30AM Mon-Fri (Europe/Berlin)", "2026-11-30T08:30Z"],
  ["CRON_TZ=US/Central 5 15 * * *", "3:05PM daily (US/Central)", "2026-11-28T21:05Z"],
  ["0 0 * * 0,6", "12:00AM Sun,Sat (UTC)", "2026-11-29T00:00Z"],
  ["CRON_TZ=UTC */15 6-7 * * MON", "cron(*/15 6-7) MON (UTC)", "2026-11-30T06:00Z"],
  ["0 12 * * 6", "12:00PM Sat (UTC)", "2026-12-05T12:00Z"],
  ["CRON_TZ=Nowhere/Land 0 12 * * 6", undefined, undefined],
  ["0 12 1 * 6", undefined, undefined],
  ["0 25 * * 6", undefined, undefined],
  ["", undefined, undefined],
];

Deno.test("schedules are read, said and reckoned in their own zone", async (t) => {
  const now = Date.parse("2026-11-28T20:07:30Z"); // a Saturday
  for (const [text, words, next] of ROWS) {
    await t.step(text || "none", () => {
      const schedule = parseSchedule(text);
      strictEqual(schedule === undefined ? undefined : describeSchedule(schedule), words);
      const at = schedule === undefined ? undefined : nextStart(schedule, now);
      strictEqual(at, next === undefined ? undefined : Date.parse(next));
    });
  }
});

Deno.test("nextStart() follows a change of the clocks", () => {
  const schedule = parseSchedule("CRON_TZ=Europe/Berlin 30 9 * * *");
  const at = schedule && nextStart(schedule, Date.parse("2027-03-27T12:00Z"));
  strictEqual(at, Date.parse("2027-03-28T07:30Z"));
});

Deno.test("shortDuration() and goDuration() are the official command's", () => {
  const shown = [
    0,
    1_000,
    60_000,
    119_000,
    3_600_000,
    5_400_000,
    86_400_000,
    91_800_000,
    93_600_000,
    -61_000,
  ]
    .map(shortDuration);
  deepStrictEqual(shown, ["0s", "<1m", "1m", "1m", "1h", "1h30m", "1d", "1d1h", "1d2h", "1m"]);
  deepStrictEqual([400, 59_600, 3_723_000].map(goDuration), ["0s", "1m0s", "1h2m3s"]);
});
