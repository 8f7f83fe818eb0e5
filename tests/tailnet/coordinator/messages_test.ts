/** What is said on the coordinator's RPCs, as far as bytes can be wrong. */
import assert from "node:assert/strict";
import { fromHex } from "../../../lib/base/bytes.ts";
import { DrpcError } from "../../../lib/drpc/mod.ts";
import {
  encodeCoordinateResponse,
  encodeRefreshResumeTokenResponse,
} from "../../../lib/proto/tailnet_pb.ts";
import {
  decodeCoordinateAnswer,
  decodeDerpMap,
  decodeRefreshAnswer,
} from "../../../lib/tailnet/coordinator/messages.ts";

const DECODERS = [decodeCoordinateAnswer, decodeDerpMap, decodeRefreshAnswer];

Deno.test("bytes that are no message of an RPC end its stream with a DrpcError", () => {
  for (const decode of DECODERS) {
    for (const hex of ["0aff", "07", "ff", "0001"]) {
      assert.throws(
        () => decode(fromHex(hex)),
        (error) => error instanceof DrpcError && error.code === "bad-message",
      );
    }
  }
});

Deno.test("an answer of two million parts is refused before they are made", () => {
  const bytes = new Uint8Array(4_000_000);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x12; // a field with a length, which is 0
  for (const decode of DECODERS) assert.throws(() => decode(bytes), DrpcError);
});

Deno.test("words of the server are cut, and a token that no URL could hold is none", () => {
  const long = "x".repeat(1_000_000);
  const update = { id: new Uint8Array(16), node: undefined, kind: 3, reason: long } as const;
  const answer = encodeCoordinateResponse({ peerUpdates: [update], error: long });
  const { updates, error } = decodeCoordinateAnswer(answer);
  assert.equal(error.length, 1024);
  assert.equal(updates[0]?.reason.length, 1024);
  const refresh = (token: string) =>
    decodeRefreshAnswer(
      encodeRefreshResumeTokenResponse({ token, refreshIn: undefined, expiresAt: undefined }),
    );
  assert.equal(refresh(long).resumeToken.token, "");
  assert.equal(refresh("t".repeat(2_000)).resumeToken.token.length, 2_000);
});
