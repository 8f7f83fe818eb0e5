import { deepStrictEqual } from "node:assert/strict";
import { main } from "../../../lib/cli/main.ts";
import { FakeHost } from "../../support/fake_host.ts";

interface Row {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly code: number;
}

const ROWS: readonly Row[] = [
  { name: "in Coder's range", addresses: ["fd60:627a:a42b:a1b2::1"], code: 0 },
  { name: "among others", addresses: ["2001:db8::1", "fd60:627a:a42b::1"], code: 0 },
  { name: "a neighbouring range", addresses: ["fd60:627a:a42c::1"], code: 1 },
  { name: "unknown", addresses: [], code: 1 },
  { name: "no address at all", addresses: ["fe80::1%eth0", "?"], code: 1 },
];

Deno.test("connect exists: 0 or 1 and no output (upstream cli/connect_test.go)", async (t) => {
  for (const { name, addresses, code } of ROWS) {
    await t.step(name, async () => {
      using host = new FakeHost();
      const asked: string[] = [];
      host.resolver = (hostname) => {
        asked.push(hostname);
        return Promise.resolve(addresses);
      };
      const got = await main(["connect", "exists", "dev.ws.me.coder"], host);
      deepStrictEqual(
        { got, asked, out: host.stdout.text + host.stderr.text },
        { got: code, asked: ["dev.ws.me.coder."], out: "" },
      );
    });
  }
});

Deno.test("connect exists says no when the resolver does not answer within a second", async () => {
  using host = new FakeHost();
  host.resolver = (_name, signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    return promise;
  };
  const got = await main(["connect", "exists", "dev.ws.me.coder."], host);
  deepStrictEqual([got, host.clock.now()], [1, 1_000]);
});

Deno.test("connect exists wants one host", async (t) => {
  const rows = [
    { args: ["exists"], says: "error: wanted 1 args but got 0 []", at: 1 },
    { args: ["exists", "a", "b"], says: "error: wanted 1 args but got 2 [a b]", at: 1 },
    { args: ["whatever"], says: 'hawser: unknown subcommand "whatever" of connect', at: 0 },
  ];
  for (const { args, says, at } of rows) {
    await t.step(args.join(" "), async () => {
      using host = new FakeHost();
      const code = await main(["connect", ...args], host);
      deepStrictEqual([code, host.stderr.lines[at]], [1, says]);
    });
  }
});

Deno.test("connect alone shows what there is", async () => {
  using host = new FakeHost();
  deepStrictEqual(await main(["connect"], host), 0);
  deepStrictEqual(host.stdout.lines[1], "  hawser connect <command> [flags] …");
  deepStrictEqual(
    host.stdout.lines[4],
    "  connect exists    Ask whether Coder Connect leads to a host.",
  );
});
