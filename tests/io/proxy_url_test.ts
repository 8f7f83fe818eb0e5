/** What a proxy variable may hold, row by row; what curl 8 reads from the same text unless a row says otherwise. */
import { match, ok, strictEqual, throws } from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import { parseProxy } from "../../lib/io/proxy_url.ts";

/** Text → `scheme user:password@host:port`, credentials as Latin-1. */
const READ: readonly (readonly [text: string, proxy: string])[] = [
  ["http://proxy.corp:3128", "http proxy.corp:3128"],
  ["proxy.corp:8080", "http proxy.corp:8080"],
  ["HTTP://Proxy.Corp", "http Proxy.Corp:80"],
  ["https://proxy.corp", "https proxy.corp:443"],
  ["socks5://proxy.corp", "socks5 proxy.corp:1080"],
  ["socks5h://me:pw@proxy.corp:9", "socks5 me:pw@proxy.corp:9"],
  ["  http://proxy.corp:3128\r\n", "http proxy.corp:3128"],
  ["http://proxy.corp:3128/", "http proxy.corp:3128"],
  ["http://proxy.corp:3128/path?query#fragment", "http proxy.corp:3128"],
  ["http://[fd00::1]:3128", "http fd00::1:3128"],
  ["[::1]:3128", "http ::1:3128"],
  ["http://10.0.0.1:3128", "http 10.0.0.1:3128"],
  ["http://my_proxy:3128", "http my_proxy:3128"],
  ["http://bücher.test:3128", "http xn--bcher-kva.test:3128"],
  // Credentials.
  ["http://us%40er:p%3Aw@p.test:1", "http us@er:p:w@p.test:1"],
  ["http://user:p@ss@p.test:1", "http user:p@ss@p.test:1"],
  ["http://user@corp.com:pw@p.test:1", "http user@corp.com:pw@p.test:1"],
  ["http://user:abc%G4g@p.test:1", "http user:abc%G4g@p.test:1"],
  ["http://me:100%pure@p.test:1", "http me:100%pure@p.test:1"],
  ["http://me:100%@p.test:1", "http me:100%@p.test:1"],
  ["http://me:%@p.test:1", "http me:%@p.test:1"],
  ["http://me:%25%32%35@p.test:1", "http me:%25@p.test:1"],
  ["http://CORP\\user:pw@p.test:1", "http CORP\\user:pw@p.test:1"],
  ["CORP\\user:pw@p.test:1", "http CORP\\user:pw@p.test:1"],
  ["http://CORP%5Cuser:pw@p.test:1", "http CORP\\user:pw@p.test:1"],
  ["http://user:pa%23s%2Fs%3F@p.test:1", "http user:pa#s/s?@p.test:1"],
  ["http://user:p:w:x@p.test:1", "http user:p:w:x@p.test:1"],
  ["http://user@p.test:1", "http user:@p.test:1"],
  ["http://:pw@p.test:1", "http :pw@p.test:1"],
  ["http://@p.test:1", "http p.test:1"],
  ['http://user:p w"<>[]{}|^`@p.test:1', 'http user:p w"<>[]{}|^`@p.test:1'],
  ["http://user:%E9@p.test:1", "http user:\xe9@p.test:1"],
  ["http://user:é@p.test:1", "http user:\xc3\xa9@p.test:1"],
];

/** Text → what the error says. Secrets in these are spelt `SECRET`. */
const REFUSED: readonly (readonly [text: string, problem: RegExp])[] = [
  ["socks4://p.test:1080", /the scheme "socks4" is not known/],
  ["socks4a://p.test:1080", /the scheme "socks4a" is not known/],
  ["socks://p.test:1080", /the scheme "socks" is not known/],
  ["ftp://p.test", /the scheme "ftp" is not known/],
  ["htp://user:SECRET@p.test:3128", /the scheme "htp" is not known/],
  ["http://user:SECRET#SECRET@127.0.0.1:18901", /"\/", "\?" or "#" in the user or password/],
  ["http://user:SECRET/w@127.0.0.1:18901", /"\/", "\?" or "#" in the user or password/],
  ["http://user:SECRET?w@127.0.0.1:18901", /"\/", "\?" or "#" in the user or password/],
  // The port before the `#` would do, the host would be another one.
  ["http://evil.test:80#SECRET@p.test:1", /"\/", "\?" or "#" in the user or password/],
  ["http://us/er:SECRET@p.test:1", /"\/", "\?" or "#" in the user or password/],
  ["http://user:SECRET#", /port/],
  ["user:SECRET", /port/],
  ["http://", /names no host/],
  ["http://:3128", /names no host/],
  ["http://user:SECRET@", /names no host/],
  ["http://user:SECRET@:3128", /names no host/],
  ["   ", /names no host/],
  ["http:/proxy.corp:3128", /port/],
  ["http:proxy.corp", /port/],
  ["http://p.test:", /port/],
  ["http://p.test:0", /port/],
  ["http://p.test:65536", /port/],
  ["http://p.test:99999999999999999999", /port/],
  ["http://p.test:80a", /port/],
  ["http://p.test:-1", /port/],
  ["http://fd00::1:3128", /port/],
  ["http://[fd00::1", /host/],
  ["http://[p.test]:1", /IPv6/],
  ["http://[fd00::g]:1", /IPv6/],
  ["http://p.te st:1", /host/],
  ["http://p\\x:1", /host/],
  ['"http://p.test:1"', /host|port/],
  ["PROXY p.test:8080", /host/],
  ["http://p.test\r\nX-Evil: 1", /host|port/],
  [`http://${"a".repeat(254)}`, /host/],
  ["DIRECT", /word of proxy scripts/],
  ["direct", /word of proxy scripts/],
  ["http://user:SECRET%0d%0a@p.test:1", /control character/],
  ["http://user%00:SECRET@p.test:1", /control character/],
];

Deno.test("parseProxy() reads proxies as curl does", async (t) => {
  const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);
  for (const [text, wanted] of READ) {
    await t.step(JSON.stringify(text), () => {
      const { scheme, host, port, credentials, variable } = parseProxy("HTTP_PROXY", text);
      const login = credentials === undefined
        ? ""
        : `${latin1(credentials.user)}:${latin1(credentials.password)}@`;
      strictEqual(`${scheme} ${login}${host}:${port}`, wanted);
      strictEqual(variable, "HTTP_PROXY");
    });
  }
});

Deno.test("parseProxy() refuses the rest in one line that names the variable and no secret", async (t) => {
  for (const [text, problem] of REFUSED) {
    await t.step(JSON.stringify(text), () => {
      throws(() => parseProxy("all_proxy", text), (error) => {
        ok(error instanceof UserError, String(error));
        match(error.message, /^Cannot use the proxy of all_proxy: /);
        match(error.message, problem);
        match(error.message, /\[http\|https\|socks5\]:\/\/\[user:password@\]host\[:port\]/);
        const said = error.message + error.hint;
        ok(!said.includes("SECRET") && !said.includes("\n"), said);
        return true;
      });
    });
  }
});
