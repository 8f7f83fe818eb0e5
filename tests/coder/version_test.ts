import assert from "node:assert/strict";
import { versionMismatch } from "../../lib/coder/version.ts";

Deno.test("versionMismatch() speaks only of servers newer than we know", () => {
  assert.equal(versionMismatch("v0.1.0", "v2.36.0"), undefined);
  assert.equal(versionMismatch("v0.1.0", undefined), undefined);
  assert.equal(
    versionMismatch("v0.1.0", "v3.0.1"),
    "version mismatch: client v0.1.0, server v3.0.1",
  );
});
