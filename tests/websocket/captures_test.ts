/** Replays websockets of real deployments: heads, key and accept, frames in any cut. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { WebsocketConnection } from "../../lib/websocket/connection.ts";
import { encodeFrame, Opcode, type Role } from "../../lib/websocket/frame.ts";
import { encodeLatin1 } from "../../lib/http1/headers.ts";
import { HttpUpgradeClient } from "../../lib/websocket/upgrade_client.ts";
import { HttpUpgradeServer } from "../../lib/websocket/upgrade_server.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { type Capture, type CaptureLine, NO_CAPTURES, readCaptures } from "./captures.ts";
import { splitAnyhow } from "../support/split.ts";

const captures = readCaptures((lines) =>
  lines.some((line) => line.opcode !== undefined) && !lines.some((line) => line.rsv !== undefined)
);
const random = new SeededRandom(8);

const name = captures.length === 0 ? NO_CAPTURES : `${captures.length} captures`;

Deno.test(`Upgrade heads of real deployments agree with ours (${name})`, async (t) => {
  for (const capture of captures) await t.step(capture.name, () => replayHeads(capture));
});

Deno.test(`Messages of real deployments come out whole, in any cut (${name})`, async (t) => {
  for (const capture of captures) {
    await t.step(capture.name, () => {
      replayFrames(capture, "client");
      replayFrames(capture, "server");
    });
  }
});

function headOf(capture: Capture, dir: CaptureLine["dir"]): string {
  return capture.lines.find((line) => line.dir === dir && line.http !== undefined)?.http ?? "";
}

function replayHeads(capture: Capture): void {
  const server = new HttpUpgradeServer();
  const request = server.handleBytes(encodeLatin1(headOf(capture, ">")));
  ok(request?.upgrade === "websocket");
  const answered = headOf(capture, "<");
  const accept = /Sec-Websocket-Accept: (\S+)/i.exec(answered)?.[1] ?? "";
  const protocol = request.protocols[0];
  const ours = server.accept(protocol === undefined ? {} : { protocol });
  ok(new TextDecoder().decode(ours).includes(`Sec-WebSocket-Accept: ${accept}\r\n`));

  // Some of those clients offered compression, which ours never does. A client that draws the captured key takes the captured answer.
  const plain = answered.replace(/Sec-Websocket-Extensions: .*\r\n/i, "");
  const key = atob(request.headers.get("sec-websocket-key") ?? "");
  const client = new HttpUpgradeClient({
    path: request.path,
    host: request.headers.get("host") ?? "",
    upgrade: "websocket",
    ...(protocol === undefined ? {} : { protocol }),
    random: { fill: (bytes) => bytes.set(encodeLatin1(key)) },
  });
  strictEqual(client.handleBytes(encodeLatin1(plain))?.kind, "accepted");
}

/** Puts what one side sent on the wire, and reads it as the other side. */
function replayFrames(capture: Capture, role: Role): void {
  const wire: Uint8Array[] = [];
  const wanted: string[] = [];
  let message = "";
  for (const line of capture.lines) {
    const { opcode, hex = "", fin } = line;
    if ((line.dir === ">") !== (role === "client") || opcode === undefined) continue;
    const known = Object.values(Opcode).find((value) => value === opcode);
    ok(known !== undefined);
    const isFinal = fin === 1;
    wire.push(encodeFrame({ role, random, opcode: known, isFinal }, fromHex(hex)));
    if (opcode === Opcode.ping) continue;
    if (opcode >= Opcode.close) wanted.push(hex);
    else {
      message += hex;
      if (isFinal) wanted.push(message);
      if (isFinal) message = "";
    }
  }
  for (let round = 0; round < 3; round++) {
    const reader = new WebsocketConnection({
      role: role === "client" ? "server" : "client",
      random,
    });
    const received: string[] = [];
    for (const chunk of splitAnyhow(concatBytes(...wire), random)) {
      reader.handleBytes(chunk);
      for (let m = reader.pollMessage(); m; m = reader.pollMessage()) {
        received.push(m.kind === "close" ? closeHex(m) : toHex(m.bytes));
      }
    }
    deepStrictEqual(received, wanted);
  }
}

function closeHex(close: { readonly code: number; readonly reason: string }): string {
  if (close.code === 1005) return "";
  return close.code.toString(16).padStart(4, "0") + toHex(new TextEncoder().encode(close.reason));
}
