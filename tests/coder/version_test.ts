import assert from "node:assert/strict";
import { UserError } from "../../lib/base/errors.ts";
import {
  assertSupportedServer,
  compareVersions,
  isAtLeast,
  parseVersion,
  versionMismatch,
} from "../../lib/coder/version.ts";

Deno.test("compareVersions() orders as SemVer §11", () => {
  const ordered = [
    "v0.24.0",
    "v2.8.0-devel",
    "v2.8.0-rc.1",
    "v2.8.0-rc.2",
    "v2.8.0-rc.10",
    "v2.8.0",
    "v2.10.0",
    "v2.36.0+abc1234",
    "v10.0.0",
  ];
  const parsed = ordered.map((text) => {
    const version = parseVersion(text);
    assert.ok(version !== undefined, text);
    return version;
  });
  for (const [i, a] of parsed.entries()) {
    for (const [j, b] of parsed.entries()) {
      assert.equal(
        Math.sign(compareVersions(a, b)),
        Math.sign(i - j),
        `${ordered[i]} ${ordered[j]}`,
      );
    }
  }
  for (const text of ["", "main", "v2", "v2.1", "v2.1.x"]) {
    assert.equal(parseVersion(text), undefined);
  }
});

Deno.test("isAtLeast() counts pre-releases and unknown builds as having what the version has", () => {
  assert.ok(isAtLeast("v2.25.0-rc.1", "v2.25.0"));
  assert.ok(!isAtLeast("v2.24.9", "v2.25.0"));
  assert.ok(isAtLeast("devel", "v2.25.0"));
  assert.ok(isAtLeast(undefined, "v2.25.0"));
});

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
