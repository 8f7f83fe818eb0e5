/**
 * What a run of `config-ssh` was told, and its memory of it: the commented lines at the head of the section, which the official
 * command reads and writes alike.
 */
import { END_MARKER, START_MARKER } from "./section.ts";

export const WAIT_WORDS = ["yes", "no", "auto"] as const;
export type WaitWord = typeof WAIT_WORDS[number];

export interface SectionOptions {
  readonly wait: WaitWord;
  /** Before workspaces' names; empty: no such hosts. `undefined`: what the deployment says. */
  readonly hostPrefix: string | undefined;
  /** Behind workspaces' names and a dot; empty: no such hosts. `undefined`: what the deployment says. */
  readonly hostnameSuffix: string | undefined;
  readonly disableAutostart: boolean;
  readonly noWildcard: boolean;
  /** `Key=value` or `Key value`, as typed. */
  readonly sshOptions: readonly string[];
  /** `key=value` of HTTP headers. */
  readonly headers: readonly string[];
  readonly headerCommand: string;
}

const TITLE = [
  "# This section is managed by coder. DO NOT EDIT.",
  "#",
  "# You should not hand-edit this section unless you are removing it, all",
  '# changes will be lost when running "coder config-ssh".',
];

/** The head of a section: marker, title, what is not as by default. Each line with its end. */
export function renderHead(options: SectionOptions): string {
  const memory = entriesOf(options).map(([name, value]) => `# :${name}=${value}`);
  const told = memory.length === 0 ? [] : ["#", "# Last config-ssh options:", ...memory];
  return [START_MARKER, ...TITLE, ...told, "#"].map((line) => `${line}\n`).join("");
}

/** The last line of a section, with its end. */
export function renderEnd(): string {
  return `${END_MARKER}\n`;
}

/** What is not as by default, by the names of the flags, in the order of the file. */
function entriesOf(options: SectionOptions): (readonly [string, string])[] {
  const { wait, hostPrefix, hostnameSuffix, headerCommand } = options;
  return [
    ...(wait === "auto" ? [] : [["wait", wait] as const]),
    ...(hostPrefix === undefined ? [] : [["ssh-host-prefix", hostPrefix] as const]),
    ...(hostnameSuffix === undefined ? [] : [["hostname-suffix", hostnameSuffix] as const]),
    ...(options.disableAutostart ? [["disable-autostart", "true"] as const] : []),
    ...(options.noWildcard ? [["no-wildcard", "true"] as const] : []),
    ...options.sshOptions.map((option) => ["ssh-option", option] as const),
    ...options.headers.map((header) => ["header", header] as const),
    ...(headerCommand === "" ? [] : [["header-command", headerCommand] as const]),
  ];
}

/** One line for each option that is not as by default, for people. */
export function listOptions(options: SectionOptions): string[] {
  return entriesOf(options).map(([name, value]) =>
    // Of the others, none is ever there without a value.
    `${name}: ${value === "" ? "(explicitly empty)" : value}`
  );
}

const NOTHING_SAID: SectionOptions = {
  wait: "auto",
  hostPrefix: undefined,
  hostnameSuffix: undefined,
  disableAutostart: false,
  noWildcard: false,
  sshOptions: [],
  headers: [],
  headerCommand: "",
};

/** What the section was made with. Lines that say nothing that we know are passed over. */
export function parseOptions(section: string): SectionOptions {
  let options = NOTHING_SAID;
  for (const line of section.split(/\r?\n/)) {
    const [, name = "", value = ""] = /^# :([^=]*)=(.*)$/.exec(line) ?? [];
    options = { ...options, ...parseEntry(name, value, options) };
  }
  return options;
}

function parseEntry(name: string, value: string, known: SectionOptions): Partial<SectionOptions> {
  switch (name) {
    case "wait": {
      const wait = WAIT_WORDS.find((word) => word === value);
      return wait === undefined ? {} : { wait };
    }
    case "ssh-host-prefix":
      return { hostPrefix: value };
    case "hostname-suffix":
      return { hostnameSuffix: value };
    case "disable-autostart":
      return { disableAutostart: isTrue(value) };
    case "no-wildcard":
      return { noWildcard: isTrue(value) };
    case "ssh-option":
      return { sshOptions: [...known.sshOptions, value] };
    case "header":
      return { headers: [...known.headers, value] };
    case "header-command":
      return { headerCommand: value };
    default:
      return {};
  }
}

function isTrue(text: string): boolean {
  return ["1", "t", "T", "TRUE", "true", "True"].includes(text);
}

/** Whether both make the same section; the order of what can be given several times does not count. */
export function isSameOptions(a: SectionOptions, b: SectionOptions): boolean {
  const sorted = (options: SectionOptions) => JSON.stringify(entriesOf(options).toSorted());
  return sorted(a) === sorted(b);
}
