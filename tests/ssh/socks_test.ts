import assert from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import { SocksHandshake } from "../../lib/ssh/socks.ts";

const encoder = new TextEncoder();
const GREETING = [5, 1, 0];

function ascii(text: string): number[] {
  return [...encoder.encode(text)];
}

/** Everything the handshake says, as short texts. */
function talk(chunks: readonly (readonly number[])[]): string[] {
  const handshake = new SocksHandshake();
  const said: string[] = [];
  for (const chunk of chunks) {
    if (said.some((line) => /^(connect|failed)/.test(line))) {
      said.push(`late ${chunk.length}`);
      continue;
    }
    handshake.handleInput(new Uint8Array(chunk));
    for (let out = handshake.pollOutput(); out !== undefined; out = handshake.pollOutput()) {
      if (out.kind === "reply") said.push(`reply ${[...out.bytes].join(" ")}`);
      else if (out.kind === "failed") said.push(`failed: ${out.reason}`);
      else said.push(`connect ${out.host} ${out.port} +${out.rest.length}`);
    }
  }
  return said;
}

const ROWS = [
  {
    name: "SOCKS 4",
    in: [4, 1, 0, 80, 192, 0, 2, 7, ...ascii("me"), 0],
    out: ["connect 192.0.2.7 80 +0"],
  },
  {
    name: "SOCKS 4a, name",
    in: [4, 1, 0x1f, 0x90, 0, 0, 0, 1, 0, ...ascii("db.internal"), 0],
    out: ["connect db.internal 8080 +0"],
  },
  {
    name: "SOCKS 4, address 0.0.0.0 is no name",
    in: [4, 1, 0, 80, 0, 0, 0, 0, 0],
    out: ["connect 0.0.0.0 80 +0"],
  },
  {
    name: "SOCKS 4, data sent ahead",
    in: [4, 1, 0, 80, 127, 0, 0, 1, 0, 1, 2, 3],
    out: ["connect 127.0.0.1 80 +3"],
  },
  {
    name: "SOCKS 4, bind is refused",
    in: [4, 2, 0, 80, 127, 0, 0, 1, 0],
    out: ["reply 0 91 0 0 0 0 0 0", "failed: command 2 is not supported"],
  },
  {
    name: "SOCKS 5, IPv4 (RFC 1928 §5)",
    in: [...GREETING, 5, 1, 0, 1, 10, 0, 0, 1, 0, 22],
    out: ["reply 5 0", "connect 10.0.0.1 22 +0"],
  },
  {
    name: "SOCKS 5, IPv6",
    in: [...GREETING, 5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, ...new Array(11).fill(0), 1, 0, 22],
    out: ["reply 5 0", "connect 2001:db8:0:0:0:0:0:1 22 +0"],
  },
  {
    name: "SOCKS 5, name, among several methods",
    in: [5, 3, 2, 0, 1, 5, 1, 0, 3, 9, ...ascii("localhost"), 1, 0],
    out: ["reply 5 0", "connect localhost 256 +0"],
  },
  {
    name: "SOCKS 5, only with a password",
    in: [5, 1, 2],
    out: ["reply 5 255", "failed: client insists on authentication"],
  },
  {
    name: "SOCKS 5, UDP associate (RFC 1928 §6: reply 7)",
    in: [...GREETING, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0],
    out: ["reply 5 0", "reply 5 7 0 1 0 0 0 0 0 0", "failed: command 3 is not supported"],
  },
  {
    name: "SOCKS 5, unknown address type (RFC 1928 §6: reply 8)",
    in: [...GREETING, 5, 1, 0, 9, 0],
    out: ["reply 5 0", "reply 5 8 0 1 0 0 0 0 0 0", "failed: address type 9 is not supported"],
  },
  {
    name: "SOCKS 5, name with a newline",
    in: [...GREETING, 5, 1, 0, 3, 3, ...ascii("a\nb"), 0, 80],
    out: [
      "reply 5 0",
      "reply 5 1 0 1 0 0 0 0 0 0",
      "failed: name is empty or has unprintable characters",
    ],
  },
  {
    name: "SOCKS 4a, name without end",
    in: [4, 1, 0, 80, 0, 0, 0, 1, 0, ...new Array(300).fill(97)],
    out: ["reply 0 91 0 0 0 0 0 0", "failed: field is longer than 255 bytes"],
  },
  {
    name: "HTTP",
    in: ascii("GET / HTTP/1.1\r\n"),
    out: ["failed: not SOCKS 4 or 5: first byte is 71"],
  },
];

for (const row of ROWS) {
  Deno.test(`SocksHandshake, ${row.name}`, () => {
    assert.deepEqual(talk([row.in]), row.out);
  });
}

Deno.test("SocksHandshake says the same whatever way the input is split", () => {
  for (const row of ROWS) {
    // The rest of a byte-wise client comes after the target is known.
    const said = talk(row.in.map((byte) => [byte])).filter((line) => !line.startsWith("late"));
    const whole = talk([row.in]).map((line) => line.replace(/\+\d+$/, "+0"));
    assert.deepEqual(said, whole, row.name);
  }
});

Deno.test("SocksHandshake neither throws nor holds more than its bound, whatever it is sent", () => {
  const chunk = fc.uint8Array({ maxLength: 300 });
  const start = fc.constantFrom([4, 1], [5, 1, 0], [5, 255], [4, 1, 0, 80, 0, 0, 0, 1], []);
  fc.assert(fc.property(start, fc.array(chunk, { maxLength: 20 }), (head, chunks) => {
    const handshake = new SocksHandshake();
    let taken = 0;
    for (const bytes of [new Uint8Array(head), ...chunks]) {
      handshake.handleInput(bytes);
      taken += bytes.length;
      for (let out = handshake.pollOutput(); out !== undefined; out = handshake.pollOutput()) {
        if (out.kind !== "reply") return;
      }
      assert(taken <= 1_024, "an unfinished handshake must end");
    }
  }));
});

Deno.test("SocksHandshake finds any target it is asked for", () => {
  const name = fc.stringMatching(/^[!-~]{1,255}$/);
  fc.assert(
    fc.property(name, fc.nat(65_535), fc.uint8Array({ maxLength: 50 }), (host, port, ahead) => {
      const field = encoder.encode(host);
      const handshake = new SocksHandshake();
      handshake.handleInput(concatBytes(
        new Uint8Array([...GREETING, 5, 1, 0, 3, field.length]),
        field,
        new Uint8Array([port >> 8, port & 255]),
        ahead,
      ));
      handshake.pollOutput();
      assert.deepEqual(handshake.pollOutput(), { kind: "connect", host, port, rest: ahead });
    }),
  );
});

Deno.test("SocksHandshake answers in the client's version", () => {
  const four = new SocksHandshake();
  four.handleInput(new Uint8Array([4, 1, 0, 80, 1, 2, 3, 4, 0]));
  assert.deepEqual([...four.accepted()], [0, 0x5a, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...four.refused("refused")], [0, 0x5b, 0, 0, 0, 0, 0, 0]);
  const five = new SocksHandshake();
  five.handleInput(new Uint8Array(GREETING));
  assert.deepEqual([...five.accepted()].slice(0, 4), [5, 0, 0, 1]);
  assert.equal(five.refused("refused")[1], 5);
  assert.equal(five.refused("unreachable")[1], 4);
  assert.equal(five.refused("failed")[1], 1);
});
