import { deepStrictEqual, ok } from "node:assert/strict";
import {
  isSameOptions,
  listOptions,
  parseOptions,
  renderHead,
  type SectionOptions,
} from "../../../lib/cli/ssh_config/options.ts";

const NONE: SectionOptions = {
  wait: "auto",
  hostPrefix: undefined,
  hostnameSuffix: undefined,
  disableAutostart: false,
  noWildcard: false,
  sshOptions: [],
  headers: [],
  headerCommand: "",
};

const ALL: SectionOptions = {
  wait: "no",
  hostPrefix: "",
  hostnameSuffix: "x",
  disableAutostart: true,
  noWildcard: true,
  sshOptions: ["A=b", "C d=e"],
  headers: ["a=b=c", "d="],
  headerCommand: "echo a=b",
};

Deno.test("parseOptions() reads what renderHead() wrote", () => {
  for (const options of [NONE, ALL]) {
    deepStrictEqual(parseOptions(renderHead(options)), options);
    deepStrictEqual(parseOptions(renderHead(options).replaceAll("\n", "\r\n")), options);
  }
});

Deno.test("listOptions() names what is not as by default", () => {
  deepStrictEqual(listOptions(NONE), []);
  deepStrictEqual(listOptions(ALL), [
    "wait: no",
    "ssh-host-prefix: (explicitly empty)",
    "hostname-suffix: x",
    "disable-autostart: true",
    "no-wildcard: true",
    "ssh-option: A=b",
    "ssh-option: C d=e",
    "header: a=b=c",
    "header: d=",
    "header-command: echo a=b",
  ]);
});

Deno.test("parseOptions() passes over what it does not know, and takes no word for another", () => {
  const lines = [
    "# :wait=maybe",
    "# :wait",
    "# :new-flag=1",
    "#:no-wildcard=true",
    " # :no-wildcard=true",
    "# :disable-autostart=perhaps",
    "Host x",
  ];
  deepStrictEqual(parseOptions(lines.join("\n")), NONE);
});

Deno.test("isSameOptions(): the order of what comes several times does not count, a repetition does", () => {
  const of = (part: Partial<SectionOptions>): SectionOptions => ({ ...NONE, ...part });
  ok(isSameOptions(of({ sshOptions: ["a=1", "b=2"] }), of({ sshOptions: ["b=2", "a=1"] })));
  const different: [Partial<SectionOptions>, Partial<SectionOptions>][] = [
    [{ sshOptions: ["a=1"] }, { sshOptions: ["a=1", "a=1"] }],
    [{ hostPrefix: "" }, {}],
    [{ headers: ["a=1"] }, { headerCommand: "a=1" }],
    [{ wait: "yes" }, { wait: "no" }],
  ];
  for (const [a, b] of different) ok(!isSameOptions(of(a), of(b)));
});
