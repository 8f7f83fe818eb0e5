/** The carrier between a connection and a link: order, one write at a time, the end told once, and no wait without end. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { ProtocolError } from "../../lib/base/errors.ts";
import { Carrier } from "../../lib/io/carrier.ts";
import { ownedBatch } from "../../lib/tailnet/line.ts";
import { bytesOf, FakeConn, settle, text } from "./support.ts";

/** A carrier over a fake connection, a link of texts, and what the owner was told. */
function setUp(options: { readonly onBytes?: (words: string) => void } = {}) {
  const conn = new FakeConn();
  const gathered: string[] = [];
  const told: string[] = [];
  const carrier = new Carrier({
    conn,
    source: {
      takeBatch: () => {
        const next = gathered.shift();
        if (next === undefined) return undefined;
        return { bytes: bytesOf(next), release: () => told.push(`released ${next}`) };
      },
    },
    onBytes: (chunk) => {
      told.push(`bytes ${text(chunk)}`);
      options.onBytes?.(text(chunk));
    },
    onWritten: (count) => told.push(`written ${count}`),
    onClosed: (reason) => told.push(`closed ${reason}`),
    onFault: (error) => told.push(`fault ${error}`),
  });
  return { carrier, conn, gathered, told, sent: () => conn.written.map(text) };
}

Deno.test("Carrier hands over what arrives and writes what was gathered, short writes included", async () => {
  const { carrier, conn, gathered, told, sent } = setUp();
  conn.maxWriteBytes = 3;
  conn.arrive(bytesOf("one"));
  gathered.push("abcdefgh", "ij");
  carrier.kick();
  await settle();
  deepStrictEqual(sent(), ["abc", "def", "gh", "ij"]);
  deepStrictEqual(told.filter((line) => line.startsWith("bytes")), ["bytes one"]);
  deepStrictEqual(told.filter((line) => !line.startsWith("bytes")), [
    "released abcdefgh",
    "written 8",
    "released ij",
    "written 2",
  ]);
  carrier.close();
  await carrier.ended();
});

Deno.test("Carrier never has two writes under way", async () => {
  const { carrier, conn, gathered, sent } = setUp();
  conn.isStalled = true;
  gathered.push("first");
  carrier.kick();
  gathered.push("second");
  carrier.kick();
  carrier.kick();
  await settle();
  deepStrictEqual(gathered, ["second"]); // still the link's: its buffer may be filled further
  conn.resume();
  await settle();
  deepStrictEqual(sent(), ["first", "second"]);
  carrier.close();
  await carrier.ended();
});

Deno.test("Carrier tells the end once, whatever it was, and closes the connection", async (t) => {
  const rows: { name: string; end: (s: ReturnType<typeof setUp>) => void; reason: string }[] = [
    {
      name: "the peer's end",
      end: ({ conn }) => conn.arrive(null),
      reason: "connection closed by the other side",
    },
    {
      name: "a failure to read",
      end: ({ conn }) => conn.arrive(new Error("reset")),
      reason: "reset",
    },
    {
      name: "a failure to write",
      end: ({ conn, gathered, carrier }) => {
        conn.write = () => Promise.reject(new Error("broken pipe"));
        gathered.push("x");
        carrier.kick();
      },
      reason: "broken pipe",
    },
    {
      name: "bytes that break the protocol",
      end: ({ conn }) => conn.arrive(bytesOf("bad")),
      reason: "nonsense",
    },
  ];
  for (const { name, end, reason } of rows) {
    await t.step(name, async () => {
      const all = setUp({
        onBytes: (words) => {
          if (words === "bad") throw new ProtocolError("nonsense", { code: "nonsense" });
        },
      });
      end(all);
      await all.carrier.ended();
      deepStrictEqual(all.told.filter((line) => line.startsWith("closed")), [`closed ${reason}`]);
      strictEqual(all.conn.closeCount, 1);
      all.carrier.close();
      strictEqual(all.conn.closeCount, 1);
      all.gathered.push("late");
      all.carrier.kick();
      await settle();
      deepStrictEqual(all.gathered, ["late"]);
    });
  }
});

Deno.test("Carrier.close() tells nobody, and what arrives later reaches nobody", async () => {
  const { carrier, conn, told } = setUp();
  carrier.close();
  conn.arrive(bytesOf("late"));
  await carrier.ended();
  deepStrictEqual(told, []);
});

Deno.test("Carrier may be closed by whom it hands bytes to", async () => {
  const all = setUp({ onBytes: () => all.carrier.close() });
  all.conn.arrive(bytesOf("one"));
  await all.carrier.ended();
  deepStrictEqual(all.told, ["bytes one"]);
});

Deno.test("Carrier.drained() waits for what was gathered, and not without end", async () => {
  const { carrier, conn, gathered, sent } = setUp();
  conn.isStalled = true;
  gathered.push("bye");
  let isDrained = false;
  const drained = carrier.drained(60_000).then(() => isDrained = true);
  await settle();
  ok(!isDrained);
  conn.resume();
  await drained;
  deepStrictEqual(sent(), ["bye"]);
  conn.isStalled = true;
  gathered.push("nobody reads this");
  await carrier.drained(1); // hangs if the limit does not count
  carrier.close();
  await carrier.ended();
});

Deno.test("Carrier tells a fault of the cores as such, not as a lost connection", async () => {
  const { carrier, conn, told } = setUp({
    onBytes: () => {
      throw new TypeError("a bug");
    },
  });
  conn.arrive(bytesOf("x"));
  await carrier.ended();
  deepStrictEqual(told, ["bytes x", "fault TypeError: a bug"]);
  ok(conn.isClosed);
});

Deno.test("Carrier: a fault while something is written, or while the end is told, is a fault as well", async (t) => {
  const bug = () => {
    throw new TypeError("a bug");
  };
  const fault = "fault TypeError: a bug";
  await t.step("of who is told of a write", async () => {
    const conn = new FakeConn();
    const told: string[] = [];
    const carrier = new Carrier({
      conn,
      source: { takeBatch: () => conn.written.length > 0 ? undefined : ownedBatch(bytesOf("x")) },
      onBytes: () => {},
      onWritten: bug,
      onClosed: () => told.push("closed"),
      onFault: (error) => told.push(`fault ${error}`),
    });
    await carrier.ended();
    deepStrictEqual(told, [fault]);
    ok(conn.isClosed);
  });
  await t.step("of who is told of the end", async () => {
    const conn = new FakeConn();
    const told: string[] = [];
    const carrier = new Carrier({
      conn,
      source: { takeBatch: () => undefined },
      onBytes: () => {},
      onWritten: () => {},
      onClosed: bug,
      onFault: (error) => told.push(`fault ${error}`),
    });
    conn.arrive(null);
    await carrier.ended();
    deepStrictEqual(told, [fault]);
  });
});
