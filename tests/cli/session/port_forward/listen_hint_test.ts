/** What is advised where a port cannot be listened at fits why, with the words that the system's errors become here. */
import { match, rejects } from "node:assert/strict";
import { listenHint } from "../../../../lib/cli/session/port_forward/listen_hint.ts";
import { listenDatagrams } from "../../../../lib/io/local_datagrams.ts";

Deno.test("listenHint() tells a port that is taken from one that is not ours, and from an address that is not", async () => {
  const rows: readonly [why: string, hint: RegExp][] = [
    ["listen on 127.0.0.1:53: address already in use", /^Another program has the port: .* --udp 5/],
    ["listen on 127.0.0.1:53: permission denied", /^Ports below 1024 .* --udp 5/],
    [
      "listen on 192.0.2.1:53: cannot assign requested address",
      /^This machine has no such address/,
    ],
    [
      "listen on x: this runtime was started without --unstable-net",
      /--unstable-net behind 'deno run'/,
    ],
    ['listen on x: not permitted: Requires net access to "x"', /--allow-net/],
    ["listen on x: something new", /^Name another port, as in --udp 5353:53$/],
  ];
  for (const [why, hint] of rows) match(listenHint(why, "--udp 5353:53"), hint);
  const first = await listenDatagrams({ host: "127.0.0.1", port: 0 });
  try {
    await rejects(listenDatagrams(first.address), ({ message }: Error) => {
      match(listenHint(message, "--udp 1:1"), /^Another program has the port/);
      return true;
    });
  } finally {
    first.close();
  }
});
