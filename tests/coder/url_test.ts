import assert from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../lib/base/errors.ts";
import { apiUrl, parseDeploymentUrl, segment, websocketUrl } from "../../lib/coder/url.ts";

Deno.test("parseDeploymentUrl() takes what people type (docs/protocol/ssh.md#login)", async (t) => {
  const rows = [
    { in: "https://coder.example.com", out: "https://coder.example.com/" },
    { in: " coder.example.com \n", out: "https://coder.example.com/" },
    { in: "coder.example.com:8443", out: "https://coder.example.com:8443/" },
    { in: "localhost:3000", out: "http://localhost:3000/" },
    { in: "bücher.example/", out: "https://xn--bcher-kva.example/" },
    {
      in: "https://me:secret@coder.example.com:8443//",
      out: "https://me:secret@coder.example.com:8443//",
    },
    { in: "http://127.0.0.1:3900/sub/", out: "http://127.0.0.1:3900/sub/" },
  ];
  for (const row of rows) {
    await t.step(row.in, () => assert.equal(parseDeploymentUrl(row.in).href, row.out));
  }
  const controls = [
    "https://a.test\nhttps://b.test",
    "a\t.test",
    "https://a.test/\0x",
    "a\x7f.test",
  ];
  for (
    const bad of ["", "  ", "ftp://x", "https://", "http://a b", "file:///etc/passwd", ...controls]
  ) {
    await t.step(`refuses ${JSON.stringify(bad)}`, () => {
      assert.throws(() => parseDeploymentUrl(bad), UserError);
    });
  }
});

Deno.test("apiUrl() resolves from the root, drops sub-path and credentials (docs/protocol/api.md#requests-and-headers)", () => {
  const url = apiUrl(new URL("https://u:p@host/sub/path"), "/users/me", { a: 1, b: undefined });
  assert.equal(url.href, "https://host/api/v2/users/me?a=1");
  assert.equal(websocketUrl(url).href, "wss://host/api/v2/users/me?a=1");
});

Deno.test("segment() never climbs or ends a path", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    if (["", ".", ".."].includes(text)) {
      assert.throws(() => segment(text), UserError);
      return;
    }
    if (!text.isWellFormed()) return;
    const url = new URL(`/a/${segment(text)}/b`, "https://host");
    assert.equal(url.pathname.split("/").length, 4);
    assert.equal(url.search, "");
  }));
});
