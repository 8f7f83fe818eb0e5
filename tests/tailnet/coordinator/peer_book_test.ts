import assert from "node:assert/strict";
import { PeerBook } from "../../../lib/tailnet/coordinator/mod.ts";
import type { PeerEvent, PeerUpdate } from "../../../lib/tailnet/coordinator/mod.ts";
import { MAX_PEERS } from "../../../lib/tailnet/coordinator/peer_book.ts";
import { testNode, testUuid } from "../support.ts";

const PEER = testUuid(1);

function node(seed = 1, peerId = PEER): PeerUpdate {
  return { kind: "node", peerId, reason: "", node: testNode(seed) };
}

function word(kind: "lost" | "disconnected" | "readyForHandshake", peerId = PEER): PeerUpdate {
  return { kind, peerId, reason: "" };
}

/** Events in a few words. */
function told(book: PeerBook): string[] {
  const words: string[] = [];
  for (let e: PeerEvent | undefined = book.pollEvent(); e !== undefined; e = book.pollEvent()) {
    if (e.kind === "node") words.push(`node ${e.change}${e.isReady ? " ready" : ""}`);
    else if (e.kind === "ready") words.push(`ready ${e.source}${e.isFirst ? "" : " again"}`);
    else if (e.kind === "lost") words.push(`lost ${e.cause}`);
    else words.push(e.kind);
  }
  return words;
}

Deno.test("PeerBook tells what happened, step by step (docs/protocol/coordinator.md#peer-updates)", async (t) => {
  const rows: { name: string; updates: PeerUpdate[]; out: string[] }[] = [
    {
      name: "READY behind NODE",
      updates: [node(), word("readyForHandshake")],
      out: ["node new", "ready message"],
    },
    {
      name: "READY before NODE",
      updates: [word("readyForHandshake"), node()],
      out: ["node new ready", "ready message"],
    },
    {
      name: "READY stays through nodes, and is told when said again",
      updates: [node(), word("readyForHandshake"), node(), word("readyForHandshake")],
      out: ["node new", "ready message", "node updated ready", "ready message again"],
    },
    {
      name: "READY was said by the process with the old key, not by the new one",
      updates: [node(), word("readyForHandshake"), node(2), word("readyForHandshake")],
      out: ["node new", "ready message", "node rekeyed", "ready message"],
    },
    {
      name: "LOST then NODE",
      updates: [node(), word("lost"), node()],
      out: ["node new", "lost server", "node updated"],
    },
    {
      name: "LOST twice",
      updates: [node(), word("lost"), word("lost")],
      out: ["node new", "lost server"],
    },
    { name: "LOST of a stranger", updates: [word("lost")], out: [] },
    {
      name: "DISCONNECTED forgets readiness",
      updates: [node(), word("readyForHandshake"), word("disconnected"), node()],
      out: ["node new", "ready message", "removed", "node new"],
    },
    { name: "DISCONNECTED of a stranger", updates: [word("disconnected")], out: [] },
    { name: "somebody else", updates: [node(1, testUuid(2))], out: [] },
  ];
  for (const { name, updates, out } of rows) {
    await t.step(name, () => {
      const book = new PeerBook({ only: new Set([PEER]) });
      const words: string[] = [];
      for (const update of updates) {
        book.handleUpdate(update, 0);
        words.push(...told(book));
      }
      assert.deepEqual(words, out);
    });
  }
});

Deno.test("a node without a home relay is not told and starts no wait", () => {
  const book = new PeerBook();
  book.handleUpdate({
    kind: "node",
    peerId: PEER,
    reason: "",
    node: { ...testNode(1), preferredDerp: 0 },
  }, 0);
  assert.deepEqual(told(book), []);
  assert.equal(book.pollTimeout(), undefined);
  assert.equal(book.nodeOf(PEER), undefined);
});

Deno.test("the wait for READY is 5 s from the last node, and begins anew with another key alone", () => {
  const book = new PeerBook();
  book.handleUpdate(node(), 0);
  assert.deepEqual(told(book), ["node new"]);
  book.handleUpdate(node(), 3_000);
  assert.equal(book.pollTimeout(), 8_000);
  book.handleTimeout(7_999);
  assert.ok(!book.isReady(PEER));
  book.handleTimeout(8_000);
  assert.deepEqual(told(book), ["node updated", "ready timeout"]);
  book.handleUpdate(node(), 9_000);
  assert.equal(book.pollTimeout(), undefined);
  book.handleUpdate(node(2), 9_500);
  assert.equal(book.pollTimeout(), 14_500);
  book.handleUpdate(word("readyForHandshake"), 9_600);
  assert.deepEqual(told(book), ["node rekeyed", "ready message"]);
});

Deno.test("a lost connection loses every peer once, a node finds it again", () => {
  const book = new PeerBook();
  book.handleUpdate(node(), 0);
  book.handleUpdate(node(2, testUuid(2)), 0);
  book.handleUpdate(word("lost"), 0);
  told(book);
  book.handleConnectionLost("gone");
  assert.deepEqual(told(book), ["lost connection"]);
  book.handleUpdate(node(), 0);
  book.handleConnectionLost("gone");
  assert.deepEqual(told(book), ["node updated", "lost connection"]);
});

Deno.test("the book holds so many peers and no more", () => {
  const book = new PeerBook();
  for (let i = 0; i < MAX_PEERS + 10; i++) {
    book.handleUpdate(word("readyForHandshake", testUuid(i + 1)), 0);
  }
  book.handleUpdate(node(1, testUuid(MAX_PEERS + 5)), 0);
  assert.deepEqual(told(book), []);
});
