import assert from "node:assert/strict";
import type { Instant } from "../../../lib/base/core.ts";
import { MapSocket, type MapSocketEvent } from "../../../lib/tailnet/coordinator/map_socket.ts";
import { derpMapToJson } from "../../../lib/tailnet/derp_map_json.ts";
import type { Line } from "../../../lib/tailnet/line.ts";
import { encodeFrame, HttpUpgradeServer } from "../../../lib/websocket/mod.ts";
import { binaryPayloads, captureTest, parseWire } from "../../support/captures.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { MAP } from "./support.ts";

const RANDOM = new SeededRandom(3);
const TEXT = JSON.stringify(derpMapToJson(MAP)) + "\n";

/** A socket and the server it dials. */
class Pair {
  readonly socket = new MapSocket({
    deploymentUrl: new URL("https://coder.test/"),
    headers: [["Coder-Session-Token", "t"]],
    random: new SeededRandom(4),
  });
  now: Instant = 0;
  line: Line | undefined;
  request = "";
  #upgrade = new HttpUpgradeServer();

  events(): MapSocketEvent[] {
    const events: MapSocketEvent[] = [];
    for (let e = this.socket.pollEvent(); e !== undefined; e = this.socket.pollEvent()) {
      if (e.kind === "dial") this.line = e.line;
      events.push(e);
    }
    return events;
  }

  kinds(): string[] {
    return this.events().map(({ kind }) => kind);
  }

  /** Opens the connection that was asked for, and reads the request. */
  open(): void {
    this.kinds();
    this.socket.handleLineOpened(this.#line);
    const bytes = this.#line.takeBatch()?.bytes ?? new Uint8Array(0);
    this.request = new TextDecoder().decode(bytes);
    this.#upgrade = new HttpUpgradeServer();
    this.#upgrade.handleBytes(bytes);
  }

  accept(): void {
    this.open();
    this.receive(this.#upgrade.accept());
  }

  refuse(status: number): void {
    this.open();
    this.receive(this.#upgrade.refuse(status));
  }

  receive(bytes: Uint8Array): void {
    this.socket.handleLineBytes(this.#line, bytes, this.now);
  }

  say(text: string): void {
    this.receive(encodeFrame({ role: "server", random: RANDOM }, new TextEncoder().encode(text)));
  }

  end(): void {
    this.socket.handleLineClosed(this.#line, "connection reset", this.now);
  }

  /** Until the next dial, or for so long. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let at = this.socket.pollTimeout(); at !== undefined && at <= until;) {
      this.now = Math.max(this.now, at);
      this.socket.handleTimeout(this.now);
      at = this.socket.pollTimeout();
    }
    this.now = until;
  }

  get #line(): Line {
    if (this.line === undefined) throw new Error("nothing was dialled");
    return this.line;
  }
}

function started(): Pair {
  const pair = new Pair();
  pair.socket.start(0);
  return pair;
}

Deno.test("MapSocket asks for the route, with the token, and tells maps however they are cut", () => {
  const pair = started();
  pair.accept();
  assert.match(pair.request, /^GET \/api\/v2\/derp-map HTTP\/1\.1\r\n/);
  assert.match(pair.request, /\r\ncoder-session-token: t\r\n/i);
  assert.doesNotMatch(pair.request, /extensions/i, "no compression is offered");
  pair.say(TEXT.slice(0, 30));
  assert.deepEqual(pair.kinds(), []);
  pair.say(TEXT.slice(30) + TEXT);
  const maps = pair.events().map((event) => event.kind === "derpMap" ? event.map : undefined);
  assert.deepEqual(maps.map((map) => [...map?.regions.keys() ?? []]), [[999], [999]]);
});

for (const status of [200, 400, 401, 403, 404, 426]) {
  Deno.test(`MapSocket does not ask again after ${status}, until it is started again`, () => {
    const pair = started();
    pair.refuse(status);
    assert.deepEqual(pair.kinds(), ["hangUp", "absent"]);
    pair.pass(3_600_000);
    assert.deepEqual(pair.kinds(), []);
    pair.socket.start(pair.now);
    assert.deepEqual(pair.kinds(), ["dial"]);
  });
}

for (const status of [429, 500, 502, 503]) {
  Deno.test(`MapSocket asks again after ${status}, each time later`, () => {
    const pair = started();
    const gaps: number[] = [];
    for (let i = 0; i < 12; i++) {
      pair.refuse(status);
      gaps.push((pair.socket.pollTimeout() ?? Infinity) - pair.now);
      pair.pass(20_000);
    }
    assert.equal(gaps[0], 0);
    assert.ok((gaps.at(-1) ?? 0) > 5_000, String(gaps));
    assert.ok(gaps.every((gap) => gap <= 10_000), String(gaps));
  });
}

Deno.test("MapSocket dials again what ended, said nothing sensible, or fell silent", () => {
  const pair = started();
  pair.accept();
  pair.pass(6_000);
  pair.end();
  pair.pass(0);
  assert.deepEqual(pair.kinds(), ["dial"], "what was stable comes back at once");
  pair.accept();
  for (const nonsense of ["[]", "{]", '{"Regions":7}', "hello"]) {
    assert.throws(() => pair.say(nonsense), { name: "ProtocolError" }, nonsense);
    pair.end(); // as the driver does
    pair.pass(10_000);
    assert.deepEqual(pair.kinds(), ["dial"]);
    pair.accept();
  }
  pair.pass(44_000);
  assert.deepEqual(pair.kinds(), []);
  pair.receive(Uint8Array.of(0x89, 0)); // a ping
  pair.pass(44_000);
  assert.deepEqual(pair.kinds(), []);
  pair.pass(2_000);
  assert.deepEqual(pair.kinds(), ["hangUp", "dial"]);
});

Deno.test("MapSocket is quiet once it was stopped", () => {
  const pair = started();
  pair.accept();
  pair.socket.stop();
  assert.deepEqual(pair.kinds(), ["hangUp"]);
  assert.equal(pair.socket.pollTimeout(), undefined);
  pair.say(TEXT);
  pair.end();
  assert.deepEqual(pair.kinds(), []);
});

for (const name of ["derp-map", "derp-map-server-stop", "probe-derp-map-no-token"]) {
  const capture = `coder-v2.5.1/wire/${name}.jsonl`;
  captureTest(`${capture}: MapSocket understands it`, capture, (text) => {
    const pair = started();
    pair.accept();
    const said = binaryPayloads(parseWire(text), "<");
    assert.ok(said.length > 0);
    for (const payload of said) {
      pair.receive(encodeFrame({ role: "server", random: RANDOM }, payload));
    }
    for (const event of pair.events()) {
      assert.ok(event.kind === "derpMap");
      assert.deepEqual([...event.map.regions.keys()], [999]);
      assert.equal(event.map.leftOut, 0);
    }
  });
}
