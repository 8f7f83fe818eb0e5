import { strictEqual, throws } from "node:assert/strict";
import { UserError } from "../../../lib/base/errors.ts";
import { parseEditorHost } from "../../../lib/cli/ready/editor_host.ts";

const OTHER = "elsewhere.example";

/** Each domain is one that the deployment has, and again one that is not known: the answer is the same. */
const DOMAINS = [
  "coder.example.com",
  "xn--bcher-kva.example",
  "coder.xn--bcher-kva.example",
  "xn--bcher-kva.xn--p1ai",
  "coder.xn--p1ai",
  "xn--e1afmkfd.xn--80akhbyknj4f.xn--p1ai",
  "my--app.example.com",
  "pull--42--preview.example.com",
  "127.0.0.1",
  "localhost",
];

const FORMS = [
  { names: "demo--dev", out: "demo/dev" },
  { names: "demo--dev.main", out: "demo/dev.main" },
  { names: "demo--dev--main", out: "demo/dev.main" },
  { names: "demo--dev--", out: "demo/dev" },
  { names: "d-e-m-o--d-e-v.m-a-i-n", out: "d-e-m-o/d-e-v.m-a-i-n" },
];

for (const domain of DOMAINS) {
  Deno.test(`parseEditorHost() at ${domain}, known or not`, () => {
    for (const { names, out } of FORMS) {
      for (const known of [domain, OTHER]) {
        const name = `coder-vscode.${domain}--${names}`;
        strictEqual(parseEditorHost(name, known), out, `${name} at ${known}`);
        strictEqual(parseEditorHost(`${name}.`, known), out);
      }
    }
  });
}

Deno.test("parseEditorHost() without a domain", () => {
  for (const { names, out } of FORMS) {
    strictEqual(parseEditorHost(`coder-vscode--${names}`, "coder.example.com"), out);
  }
});

Deno.test("parseEditorHost() needs the deployment for a domain that looks like names", () => {
  strictEqual(parseEditorHost("coder-vscode.my--box--demo--dev", "my--box"), "demo/dev");
  strictEqual(parseEditorHost("coder-vscode.MY--BOX--demo--dev", "my--box"), "demo/dev");
});

Deno.test("parseEditorHost() refuses what names no workspace", () => {
  const bad = [
    "",
    "dev",
    "coder-vscode",
    "coder-vscode--dev",
    "coder-vscode--dev.main",
    "coder-vscode----dev",
    "coder-vscode--demo--",
    "coder-vscode--demo--dev--main--more",
    "coder-vscode.coder.example.com--dev",
    "coder-vscode.xn--bcher-kva.example--dev",
    "coder-vscode.coder.example.com--demo--dev.ma.in",
    "coder-vscode.coder.example.com--demo--dev--ma.in",
  ];
  for (const name of bad) {
    throws(
      () => parseEditorHost(name, "coder.example.com"),
      (error) =>
        error instanceof UserError && error.message.startsWith("invalid argument format. must be:"),
      name,
    );
  }
});
