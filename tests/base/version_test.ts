import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { isAtLeast, parseVersion, releaseOf } from "../../lib/base/version.ts";

Deno.test("parseVersion() reads releases, pre-releases and builds, and nothing else (SemVer §2, §9, §10)", () => {
  const release = { major: 2, minor: 36, patch: 1, prerelease: "" };
  deepStrictEqual(parseVersion("v2.36.1"), release);
  deepStrictEqual(parseVersion(" 2.36.1+abc1234\n"), release);
  deepStrictEqual(parseVersion("v2.36.1-rc.1+x"), { ...release, prerelease: "rc.1" });
  for (
    const text of ["", "main", "v2", "v2.1", "v2.1.x", "v2.1.0 ", "v2.1.0'; reboot; '", "v2.1.0-"]
  ) {
    strictEqual(parseVersion(text) === undefined, text.trim() !== "v2.1.0", text);
  }
  strictEqual(parseVersion("v2.1.0+" + "x".repeat(1_000_000)), undefined);
});

Deno.test("isAtLeast() compares numbers; pre-releases and builds without a version have what the release has", () => {
  const ordered = ["v0.24.0", "v2.8.0", "v2.8.1", "v2.10.0", "v2.36.0", "v10.0.0"];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) {
      strictEqual(isAtLeast(a, b), i >= j, `${a} ${b}`);
      strictEqual(isAtLeast(`${a}-devel+abc`, b), i >= j, `${a}-devel ${b}`);
    }
  }
  for (const unknown of [undefined, "", "nonsense", "v0.0.0", "v0.0.0-devel+123"]) {
    ok(isAtLeast(unknown, "v2.25.0"));
  }
  throws(() => isAtLeast("v2.0.0", "2"), TypeError);
});

Deno.test("releaseOf() is the version without what stands behind it", () => {
  const version = parseVersion("2.36.1-rc.1+x");
  strictEqual(version && releaseOf(version), "v2.36.1");
});
