import { deepStrictEqual, ok } from "node:assert/strict";
import { AutostopNotices, noticeOf } from "../../../../lib/cli/session/autostop/notices.ts";

const MINUTE_MS = 60_000;
/** A whole minute. */
const START_MS = Date.UTC(2026, 6, 24, 10);

/** A core, and what people saw: at which minute, which words. */
class Script {
  readonly core = new AutostopNotices();
  readonly seen: string[] = [];
  #nowMs = START_MS;

  /** The workspace is seen at `minute` with its deadline at another. */
  deadline(minute: number, deadline: number | undefined): this {
    this.#goTo(minute);
    const deadlineMs = deadline === undefined ? undefined : START_MS + deadline * MINUTE_MS;
    this.core.handleDeadline("dev", deadlineMs, this.#nowMs);
    this.#look();
    return this;
  }

  /** Time passes, each notice at the instant the core asks for. */
  until(minute: number): this {
    this.#goTo(minute);
    return this;
  }

  #goTo(minute: number): void {
    const endMs = START_MS + minute * MINUTE_MS;
    for (;;) {
      const at = this.core.pollTimeout();
      if (at === undefined || at > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, at);
      this.#look();
    }
    this.#nowMs = endMs;
  }

  #look(): void {
    this.core.handleTimeout(this.#nowMs);
    const minute = (this.#nowMs - START_MS) / MINUTE_MS;
    for (;;) {
      const notice = this.core.pollNotice(this.#nowMs);
      if (notice === undefined) return;
      this.seen.push(`${minute}: ${notice.body.replace(/^Your Coder workspace dev is /, "")}`);
    }
  }
}

const SOON = (minutes: number) => `scheduled to stop in ${minutes} mins`;
const NOW = "stopping any time now!";

interface Row {
  readonly name: string;
  readonly script: (script: Script) => Script;
  readonly seen: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    name: "half an hour ahead and in the last minute, once each",
    script: (s) => s.deadline(0, 120).deadline(50, 120).deadline(95, 120).until(130),
    seen: [`90: ${SOON(30)}`, `119: ${NOW}`],
  },
  {
    name: "at once when less is left, with what is left",
    script: (s) => s.deadline(0, 12).until(20),
    seen: [`0: ${SOON(12)}`, `11: ${NOW}`],
  },
  {
    name: "only the last-minute one for whoever comes in the last minute, or later",
    script: (s) => s.deadline(0, 1).until(2),
    seen: [`0: ${NOW}`],
  },
  { name: "late", script: (s) => s.deadline(5, 1).until(20), seen: [`5: ${NOW}`] },
  {
    name: "nothing without a deadline",
    script: (s) => s.deadline(0, undefined).until(99),
    seen: [],
  },
  {
    name: "the deadline is cut to its minute",
    script: (s) => s.deadline(0, 40.9).until(60),
    seen: [`10: ${SOON(30)}`, `39: ${NOW}`],
  },
  {
    name: "a deadline that moves away arms both anew",
    script: (s) => s.deadline(0, 40).deadline(20, 80).until(90),
    seen: [`10: ${SOON(30)}`, `50: ${SOON(30)}`, `79: ${NOW}`],
  },
  {
    name: "a deadline that moves away before its notice is told at the new time only",
    script: (s) => s.deadline(0, 40).deadline(9, 80).until(90),
    seen: [`50: ${SOON(30)}`, `79: ${NOW}`],
  },
  {
    name: "a deadline that comes earlier is told again",
    script: (s) => s.deadline(0, 40).deadline(15, 25).until(30),
    seen: [`10: ${SOON(30)}`, `15: ${SOON(10)}`, `24: ${NOW}`],
  },
  {
    name: "a last-minute notice taken back is corrected",
    script: (s) => s.deadline(0, 10).deadline(9.5, 20).until(30),
    seen: [`0: ${SOON(10)}`, `9: ${NOW}`, `9.5: ${SOON(11)}`, `19: ${NOW}`],
  },
  {
    name: "a deadline that activity pushes within the half hour is told once",
    script: (s) => {
      for (let minute = 0; minute < 40; minute++) s.deadline(minute, minute + 20);
      return s.until(70);
    },
    seen: [`0: ${SOON(20)}`, `58: ${NOW}`],
  },
  {
    name: "a deadline that went away and came back is new",
    script: (s) => s.deadline(0, 20).deadline(5, undefined).deadline(6, 20).until(7),
    seen: [`0: ${SOON(20)}`, `6: ${SOON(14)}`],
  },
];

Deno.test("AutostopNotices: who is told what and when (docs/protocol/ssh.md#autostop-notice)", async (t) => {
  for (const { name, script, seen } of ROWS) {
    await t.step(name, () => deepStrictEqual(script(new Script()).seen, seen));
  }
});

Deno.test("AutostopNotices tells a deadline that is moved all the time twice a minute at most", () => {
  const core = new AutostopNotices();
  let told = 0;
  for (let second = 0; second < 600; second++) {
    const nowMs = START_MS + second * 1_000;
    // Five minutes, gone, one minute, the past.
    const minutes = [5, undefined, 1, -3][second % 4];
    const deadlineMs = minutes === undefined ? undefined : nowMs + minutes * MINUTE_MS;
    core.handleDeadline("dev", deadlineMs, nowMs);
    core.handleTimeout(nowMs);
    while (core.pollNotice(nowMs) !== undefined) told++;
  }
  ok(told >= 15 && told <= 20, `${told} notices`);
});

Deno.test("AutostopNotices drops a notice that became untrue before it was shown", () => {
  const core = new AutostopNotices();
  core.handleDeadline("dev", START_MS + 20 * MINUTE_MS, START_MS);
  core.handleTimeout(START_MS);
  core.handleDeadline("dev", START_MS + 90 * MINUTE_MS, START_MS);
  deepStrictEqual(core.pollNotice(START_MS), undefined);
  deepStrictEqual(core.pollTimeout(), START_MS + 60 * MINUTE_MS);
});

Deno.test("noticeOf() uses the official command's words (docs/protocol/ssh.md#autostop-notice)", () => {
  deepStrictEqual(noticeOf("dev", 29.6 * MINUTE_MS), {
    title: "Workspace dev stopping soon",
    body: "Your Coder workspace dev is scheduled to stop in 30 mins",
  });
  deepStrictEqual(noticeOf("dev", MINUTE_MS), {
    title: "Workspace dev stopping!",
    body: "Your Coder workspace dev is stopping any time now!",
  });
});

Deno.test("AutostopNotices lets no control character of a name through", () => {
  const core = new AutostopNotices();
  core.handleDeadline("de\x1b]0;x\x07v\n2", START_MS, START_MS);
  core.handleTimeout(START_MS);
  deepStrictEqual(core.pollNotice(START_MS)?.title, "Workspace dev 2 stopping!");
});
