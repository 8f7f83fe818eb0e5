/** What a session says of a workspace that does not answer, while it lasts and when it was the end. */
import { deepStrictEqual, doesNotMatch, strictEqual } from "node:assert/strict";
import type { TunnelSilence, TunnelStatus } from "../../../lib/base/tunnel.ts";
import { silenceLine, silenceWords } from "../../../lib/cli/session/silence_line.ts";
import { lossWithSilence } from "../../../lib/cli/session/silence_words.ts";
import { Progress } from "../../../lib/cli/terminal/progress.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { SilentTunnel } from "../../support/silent_tunnel.ts";

const RELAY: TunnelStatus = { step: "relay", relay: "Paris", lastFailure: "connection refused" };
const TILDE = "~".charCodeAt(0);

function silentFor(lastedMs: number, endedAgoMs?: number): TunnelSilence {
  return { lastedMs, endedAgoMs, status: RELAY };
}

Deno.test("silenceWords() say who, since when, how to leave, and what is waited for, in this order", () => {
  const clock = new ManualClock();
  const since = new Date(clock.wallMs() - 12_345).toISOString().slice(11, 19);
  const words = (escapeChar: number | "none", status: TunnelStatus = RELAY) =>
    silenceWords({ ...silentFor(12_345), status }, { clock, workspace: "dev", escapeChar });
  const head = `No answer from "dev" since ${since} (12s)`;
  strictEqual(
    words(TILDE),
    `${head}, Enter ~. leaves; waiting for the relay "Paris" (connection refused)`,
  );
  strictEqual(
    words(0x1d, { step: "handshake", relay: "Paris" }),
    `${head}, Enter ^]. leaves; waiting for the workspace agent to answer over "Paris"`,
  );
  strictEqual(words("none"), `${head}; waiting for the relay "Paris" (connection refused)`);
});

Deno.test("silenceWords() obey nothing that a relay's name or answer says", () => {
  const clock = new ManualClock();
  const status: TunnelStatus = { step: "relay", relay: "a\x1b[2Jb", lastFailure: "c\r\nd" };
  const words = silenceWords({ ...silentFor(5_000), status }, {
    clock,
    workspace: "dev",
    escapeChar: TILDE,
  });
  // deno-lint-ignore no-control-regex -- what is looked for
  doesNotMatch(words, /[\x00-\x1f\x7f]/);
});

Deno.test("silenceLine() renews the line each second, takes it away at once, and makes way for what is printed", async () => {
  const clock = new ManualClock();
  using host = new FakeHost({ stderrIsTerminal: true });
  const progress = new Progress(host);
  const tunnel = new SilentTunnel();
  const shown: (string | undefined)[] = [];
  const subscribe = silenceLine({
    tunnel,
    clock,
    progress,
    workspace: "dev",
    escapeChar: TILDE,
  });
  const stop = subscribe((text) => shown.push(text?.replace(/.*\((\w+)\).*/, "$1")));
  deepStrictEqual(shown.splice(0), [undefined]);
  tunnel.tell(silentFor(3_000));
  deepStrictEqual(shown.splice(0), ["3s"]);
  tunnel.last = silentFor(4_000);
  await clock.advance(1_000);
  deepStrictEqual(shown.splice(0), ["4s"]);
  progress.line("something else");
  deepStrictEqual(shown.splice(0), [undefined]);
  await clock.advance(1_000);
  deepStrictEqual(shown.splice(0), ["4s"]);
  tunnel.tell(silentFor(5_000, 0));
  deepStrictEqual(shown.splice(0), [undefined]);
  await clock.advance(1_000);
  // The next one.
  shown.length = 0;
  tunnel.tell(silentFor(3_000));
  deepStrictEqual(shown.splice(0), ["3s"]);
  stop();
  tunnel.tell(silentFor(9_000));
  progress.line("more");
  await clock.advance(5_000);
  deepStrictEqual(shown, []);
  deepStrictEqual(tunnel.handlers.size, 0);
});

Deno.test("lossWithSilence() tells who gave up after how long, where a silence explains the reset", () => {
  const reset = "Connection reset by peer";
  const rows: readonly (readonly [string, TunnelSilence | undefined, string])[] = [
    [reset, undefined, reset],
    [reset, silentFor(21_000, 2_000), "The workspace agent gave it up after 21s without an answer"],
    [reset, silentFor(61_000), "The workspace agent gave it up after 1m1s without an answer"],
    [reset, silentFor(21_000, 61_000), reset],
    ["The workspace agent was restarted", silentFor(21_000), "The workspace agent was restarted"],
  ];
  for (const [message, silence, expected] of rows) {
    strictEqual(lossWithSilence(message, silence), expected);
  }
});
