/** Which proxy is chosen, row by row; the rules are those of Go's `golang.org/x/net/http/httpproxy`. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { parseProxy, proxyFor } from "../../lib/io/proxy.ts";

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
    name: "unknown scheme",
    env: { HTTP_PROXY: "ftp://p.test" },
    to: "http://a.test",
    proxy: undefined,
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

Deno.test("parseProxy() decodes credentials", () => {
  deepStrictEqual(parseProxy("https://us%40er:p%3Aw@p.test"), {
    scheme: "https",
    host: "p.test",
    port: 443,
    credentials: { user: "us@er", password: "p:w" },
  });
});
