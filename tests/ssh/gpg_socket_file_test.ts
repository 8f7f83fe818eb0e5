import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import { parseSocketFile, socketGreeting } from "../../lib/ssh/gpg_socket_file.ts";

const encoder = new TextEncoder();

function windowsFile(port: string, nonce: Uint8Array): Uint8Array {
  return concatBytes(encoder.encode(`${port}\n`), nonce);
}

Deno.test("parseSocketFile() reads any 16 bytes behind the port, line ends among them", () => {
  const nonce = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(fc.property(fc.integer({ min: 1, max: 65_535 }), nonce, (port, bytes) => {
    const file = parseSocketFile(windowsFile(String(port), bytes));
    assert.deepEqual(file, { kind: "windows", port, nonce: bytes });
    assert.deepEqual(socketGreeting(file), [{ send: bytes, receiveBytes: 0 }]);
  }));
  const ends = new Uint8Array(16).fill(0x0a);
  ends[15] = 0x0d;
  assert.deepEqual(parseSocketFile(windowsFile("4711", ends)).nonce, ends);
});

Deno.test("parseSocketFile() reads Cygwin's form, with its handshake", () => {
  const text = "!<socket >49867 s 1C2D3E4F-01020304-A0B0C0D0-FFFFFFFF\0";
  const file = parseSocketFile(encoder.encode(text));
  assert.equal(file.kind, "cygwin");
  assert.equal(file.port, 49_867);
  assert.equal(file.nonce.toHex(), "4f3e2d1c04030201d0c0b0a0ffffffff");
  assert.deepEqual(socketGreeting(file).map((step) => [step.send.length, step.receiveBytes]), [
    [16, 16],
    [12, 12],
  ]);
});

const BAD = [
  {
    name: "no port",
    bytes: encoder.encode("abc\n0123456789abcdef"),
    message: /^line 1: convert string to integer: "abc"/,
  },
  { name: "port too big", bytes: encoder.encode("70000\n0123456789abcdef"), message: /^line 1: / },
  {
    name: "short nonce",
    bytes: encoder.encode("4711\n0123"),
    message: /^line 2: expected 16 bytes, got 4 bytes$/,
  },
  {
    name: "long nonce",
    bytes: encoder.encode("4711\n0123456789abcdef\n"),
    message: /got 17 bytes$/,
  },
  { name: "no nonce", bytes: encoder.encode("4711"), message: /got 0 bytes$/ },
  {
    name: "half a guid",
    bytes: encoder.encode("!<socket >1 s 1C2D3E4F-01020304"),
    message: /^Cygwin socket/,
  },
  {
    name: "datagram socket",
    bytes: encoder.encode("!<socket >1 d 1C2D3E4F-01020304-A0B0C0D0-FFFFFFFF"),
    message: /^Cygwin/,
  },
  { name: "a real file", bytes: new Uint8Array(10_000), message: /more than 256$/ },
];

for (const { name, bytes, message } of BAD) {
  Deno.test(`parseSocketFile() refuses ${name}`, () => {
    assert.throws(() => parseSocketFile(bytes), { name: "TypeError", message });
  });
}
