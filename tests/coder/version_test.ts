import assert from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import { assertSupportedServer, versionMismatch } from "../../lib/coder/version.ts";

Deno.test("assertSupportedServer() names the version of a server before v2.8 (issue 3)", () => {
  for (const fine of ["v2.8.0", "v2.36.0", "v0.0.0-devel+1", "unknown", undefined]) {
    assertSupportedServer(fine);
  }
  for (const old of ["v2.5.1", "v0.24.0"]) {
    assert.throws(
      () => assertSupportedServer(old),
      (error) =>
        error instanceof UserError && error.message.includes(old) && error.hint !== undefined,
    );
  }
});

Deno.test("versionMismatch() speaks only of servers newer than we know", () => {
  assert.equal(versionMismatch("v0.1.0", "v2.36.0"), undefined);
  assert.equal(versionMismatch("v0.1.0", undefined), undefined);
  assert.equal(
    versionMismatch("v0.1.0", "v3.0.1"),
    "version mismatch: client v0.1.0, server v3.0.1",
  );
});
