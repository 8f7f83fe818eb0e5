/** Which proxy is chosen, row by row; the rules are those of Go's `golang.org/x/net/http/httpproxy`. */
import { match, ok, strictEqual, throws } from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import { proxyFor } from "../../lib/io/proxy.ts";

interface Row {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly to: string;
  readonly proxy: string | undefined;
}

const P = "http://proxy.test:3128";

const ROWS: readonly Row[] = [
  { name: "nothing set", env: {}, to: "https://a.test", proxy: undefined },
  {
    name: "HTTPS_PROXY for https",
    env: { HTTPS_PROXY: P },
    to: "https://a.test",
    proxy: "proxy.test:3128",
  },
  {
    name: "HTTPS_PROXY not for http",
    env: { HTTPS_PROXY: P },
    to: "http://a.test",
    proxy: undefined,
  },
  { name: "lower case", env: { http_proxy: P }, to: "http://a.test", proxy: "proxy.test:3128" },
  {
    name: "ALL_PROXY for the rest",
    env: { ALL_PROXY: "socks5://s.test" },
    to: "http://a.test",
    proxy: "s.test:1080",
  },
  {
    name: "no scheme",
    env: { HTTP_PROXY: "p.test:8080" },
    to: "http://a.test",
    proxy: "p.test:8080",
  },
  {
    name: "localhost never",
    env: { HTTP_PROXY: P },
    to: "http://localhost:3000",
    proxy: undefined,
  },
  { name: "loopback never", env: { HTTP_PROXY: P }, to: "http://127.9.8.7", proxy: undefined },
  { name: "loopback v6 never", env: { HTTP_PROXY: P }, to: "http://[::1]:8", proxy: undefined },
  {
    name: "NO_PROXY star",
    env: { HTTP_PROXY: P, NO_PROXY: "*" },
    to: "http://a.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY itself",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test" },
    to: "http://a.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY subdomain",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test" },
    to: "http://x.a.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY not a suffix",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test" },
    to: "http://xa.test",
    proxy: "proxy.test:3128",
  },
  {
    name: "NO_PROXY leading dot, itself",
    env: { HTTP_PROXY: P, NO_PROXY: ".a.test" },
    to: "http://a.test",
    proxy: "proxy.test:3128",
  },
  {
    name: "NO_PROXY leading dot, subdomain",
    env: { HTTP_PROXY: P, NO_PROXY: ".a.test" },
    to: "http://x.a.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY port matches",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test:81" },
    to: "http://a.test:81",
    proxy: undefined,
  },
  {
    name: "NO_PROXY port differs",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test:81" },
    to: "http://a.test",
    proxy: "proxy.test:3128",
  },
  {
    name: "NO_PROXY address",
    env: { HTTP_PROXY: P, NO_PROXY: "10.0.0.1" },
    to: "http://10.0.0.1",
    proxy: undefined,
  },
  {
    name: "NO_PROXY range",
    env: { HTTP_PROXY: P, NO_PROXY: "b.test, 10.1.0.0/16" },
    to: "http://10.1.2.3",
    proxy: undefined,
  },
  {
    name: "NO_PROXY other range",
    env: { HTTP_PROXY: P, NO_PROXY: "10.1.0.0/16" },
    to: "http://10.2.2.3",
    proxy: "proxy.test:3128",
  },
  {
    name: "NO_PROXY v6 range",
    env: { HTTP_PROXY: P, NO_PROXY: "fd00::/8" },
    to: "http://[fd12::7]",
    proxy: undefined,
  },
  {
    name: "NO_PROXY nonsense range",
    env: { HTTP_PROXY: P, NO_PROXY: "10.1.0.0/99" },
    to: "http://10.1.0.1",
    proxy: "proxy.test:3128",
  },
  {
    name: "loopback v6, mapped, never",
    env: { HTTP_PROXY: P },
    to: "http://[::ffff:127.0.0.1]",
    proxy: undefined,
  },
  {
    name: "NO_PROXY address in another spelling",
    env: { HTTP_PROXY: P, NO_PROXY: "2001:DB8:0:0::1" },
    to: "http://[2001:db8::1]",
    proxy: undefined,
  },
  {
    name: "NO_PROXY address with its port",
    env: { HTTP_PROXY: P, NO_PROXY: "[2001:db8:0::1]:81" },
    to: "http://[2001:db8::1]:81",
    proxy: undefined,
  },
  {
    name: "NO_PROXY address of another port",
    env: { HTTP_PROXY: P, NO_PROXY: "[2001:db8::1]:81" },
    to: "http://[2001:db8::1]:82",
    proxy: "proxy.test:3128",
  },
  {
    name: "NO_PROXY address, mapped",
    env: { HTTP_PROXY: P, NO_PROXY: "10.0.0.1" },
    to: "http://[::ffff:10.0.0.1]",
    proxy: undefined,
  },
  {
    name: "NO_PROXY range, mapped",
    env: { HTTP_PROXY: P, NO_PROXY: "10.0.0.0/8" },
    to: "http://[::ffff:10.0.0.1]",
    proxy: undefined,
  },
  {
    name: "NO_PROXY name with a colon and no port",
    env: { HTTP_PROXY: P, NO_PROXY: "a.test:" },
    to: "http://a.test:81",
    proxy: undefined,
  },
  {
    name: "NO_PROXY international name",
    env: { HTTP_PROXY: P, NO_PROXY: "BÜcher.test" },
    to: "http://x.bücher.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY international name, below it",
    env: { HTTP_PROXY: P, NO_PROXY: ".bücher.test" },
    to: "http://x.bücher.test",
    proxy: undefined,
  },
  {
    name: "NO_PROXY international name, only below it",
    env: { HTTP_PROXY: P, NO_PROXY: ".bücher.test" },
    to: "http://bücher.test",
    proxy: "proxy.test:3128",
  },
];

Deno.test("proxyFor() follows the environment (httpproxy)", async (t) => {
  for (const row of ROWS) {
    await t.step(row.name, () => {
      const url = new URL(row.to);
      const isTls = url.protocol === "https:";
      const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
      const found = proxyFor({ isTls, host: url.hostname, port }, (name) => row.env[name]);
      strictEqual(found && `${found.host}:${found.port}`, row.proxy);
    });
  }
});

Deno.test("proxyFor() refuses a proxy that cannot be used, naming the variable, where it would be used", async (t) => {
  for (
    const name of [
      "HTTP_PROXY",
      "http_proxy",
      "HTTPS_PROXY",
      "https_proxy",
      "ALL_PROXY",
      "all_proxy",
    ]
  ) {
    await t.step(name, () => {
      const isTls = !name.toLowerCase().startsWith("http_");
      const env = (variable: string) => variable === name ? "socks4://p.test" : undefined;
      const to = { isTls, host: "a.test", port: 443 };
      throws(() => proxyFor(to, env), (error) => {
        ok(error instanceof UserError);
        match(
          error.message,
          new RegExp(`^Cannot use the proxy of ${name}: the scheme "socks4" is not known`),
        );
        return true;
      });
      strictEqual(proxyFor({ ...to, host: "127.0.0.1" }, env), undefined);
    });
  }
});
