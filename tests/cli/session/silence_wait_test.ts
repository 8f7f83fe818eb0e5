/** What commands without a screen say of a workspace that does not answer. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { TunnelSilence } from "../../../lib/base/tunnel.ts";
import { sayingSilences } from "../../../lib/cli/session/silence_wait.ts";
import { Progress } from "../../../lib/cli/terminal/progress.ts";
import { FakeHost } from "../../support/fake_host.ts";
import { SilentTunnel } from "../../support/silent_tunnel.ts";

function silentFor(lastedMs: number, endedAgoMs?: number): TunnelSilence {
  const status = { step: "relay", relay: "Paris", lastFailure: undefined } as const;
  return { lastedMs, endedAgoMs, status };
}

/** Begins to say what is told of the tunnel. */
function begin(
  host: FakeHost,
): { readonly tunnel: SilentTunnel; readonly saying: AsyncDisposable } {
  const tunnel = new SilentTunnel();
  const progress = new Progress(host);
  return { tunnel, saying: sayingSilences({ host, progress }, { tunnel, workspace: "dev" }) };
}

Deno.test("sayingSilences() says each silence with its whole time, and takes it back on a terminal", async () => {
  using host = new FakeHost({ stderrIsTerminal: true });
  const { tunnel, saying } = begin(host);
  for (let i = 0; i < 2; i++) {
    tunnel.tell(silentFor(3_000));
    await host.clock.sleep(1_050);
    const shown = host.stderr.text;
    match(
      shown,
      /No answer from "dev" since \d\d:\d\d:\d\d; waiting for the relay "Paris" \(4s\)$/,
    );
    tunnel.tell(silentFor(4_000, 0));
    await host.clock.sleep(1);
    strictEqual(host.stderr.text.slice(shown.length), "\r\x1b[K");
  }
  await saying[Symbol.asyncDispose]();
  deepStrictEqual(tunnel.handlers.size, 0);
});

Deno.test("sayingSilences() says elsewhere that it is over as well, and ends in the middle of one", async () => {
  using host = new FakeHost({ stderrIsTerminal: false });
  const { tunnel, saying } = begin(host);
  tunnel.tell(silentFor(3_000));
  await host.clock.sleep(2_500);
  match(
    host.stderr.text,
    /^\.\.\. No answer from "dev" since \S+ waiting for the relay "Paris" \(5s\)\n$/,
  );
  tunnel.tell(silentFor(6_000, 0));
  await host.clock.sleep(1);
  match(host.stderr.text, /\n"dev" answers again, after 6s\n$/);
  tunnel.tell(silentFor(3_000));
  await host.clock.sleep(500);
  await saying[Symbol.asyncDispose]();
  deepStrictEqual(tunnel.handlers.size, 0);
});
