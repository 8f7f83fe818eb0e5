import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { isPlainName, parsePlace, planCopy } from "../../../../lib/cli/session/copy/places.ts";

const ROWS: readonly (readonly [string, string, string | undefined, string])[] = [
  // text, system, workspace, path
  ["dev:file", "linux", "dev", "file"],
  ["dev:", "linux", "dev", "."],
  ["owner/dev.main:/etc/x:y", "linux", "owner/dev.main", "/etc/x:y"],
  ["./a:b", "linux", undefined, "./a:b"],
  ["/a:b", "linux", undefined, "/a:b"],
  ["../a:b", "linux", undefined, "../a:b"],
  ["~/a:b", "linux", undefined, "~/a:b"],
  ["plain", "linux", undefined, "plain"],
  [":x", "linux", undefined, ":x"],
  ["C:\\x", "windows", undefined, "C:\\x"],
  ["c:x", "linux", "c", "x"],
];

Deno.test("parsePlace() tells a workspace's path from one here, as scp does", () => {
  for (const [text, os, workspace, path] of ROWS) {
    const place = parsePlace(text, os);
    deepStrictEqual(
      [place.side === "there" ? place.workspace : undefined, place.path],
      [workspace, path],
      text,
    );
  }
});

Deno.test("planCopy() wants one workspace on one side", () => {
  deepStrictEqual(planCopy(["a", "b", "dev:"], "linux"), {
    workspace: "dev",
    direction: "upload",
    from: ["a", "b"],
    to: ".",
  });
  strictEqual(planCopy(["dev:a", "."], "linux").direction, "download");
  for (const words of [["a", "b"], ["dev:a", "dev:b"], ["x:a", "y:b", "."], ["a", "dev:b", "."]]) {
    throws(
      () => planCopy(words, "linux"),
      { message: /^one side must be a workspace/ },
      words.join(" "),
    );
  }
});

Deno.test("isPlainName() takes no name that leaves its folder", () => {
  for (const name of ["", ".", "..", "../x", "a/b", "/etc", "a\0b"]) {
    ok(!isPlainName(name, "linux"), name);
  }
  for (const name of ["a\\..\\b", "C:x", "x|y"]) {
    ok(!isPlainName(name, "windows"), name);
  }
  for (const name of ["a", ".profile", "it's", "a b", "...", "C:x"]) {
    ok(isPlainName(name, "linux"), name);
  }
});
