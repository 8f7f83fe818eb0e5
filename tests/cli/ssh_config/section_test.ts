import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import {
  END_MARKER as END,
  splitConfig,
  START_MARKER as START,
  withSection,
} from "../../../lib/cli/ssh_config/section.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const NEW = `${START}\nnew\n${END}\n`;

/** `before`, section, `after`, and what becomes of the file. */
const SPLITS: readonly {
  readonly name: string;
  readonly file: string;
  readonly before: string;
  readonly section: string | undefined;
  readonly after: string;
  readonly becomes: string;
}[] = [
  { name: "empty", file: "", before: "", section: undefined, after: "", becomes: NEW },
  {
    name: "a section alone",
    file: `${START}\n${END}`,
    before: "",
    section: `${START}\n${END}`,
    after: "",
    becomes: NEW,
  },
  {
    name: "no section",
    file: "# Some content",
    before: "# Some content",
    section: undefined,
    after: "",
    becomes: `# Some content\n${NEW}`,
  },
  {
    name: "no section, and a last line end",
    file: "# Some content\n",
    before: "# Some content\n",
    section: undefined,
    after: "",
    becomes: `# Some content\n\n${NEW}`,
  },
  {
    name: "content around it",
    file: `# Before\n${START}\n${END}\n# After`,
    before: "# Before\n",
    section: `${START}\n${END}\n`,
    after: "# After",
    becomes: `# Before\n${NEW}# After`,
  },
  {
    name: "line ends of Windows",
    file: `# Before\r\n${START}\r\nold\r\n${END}\r\n# After\r\n`,
    before: "# Before\r\n",
    section: `${START}\r\nold\r\n${END}\r\n`,
    after: "# After\r\n",
    becomes: `# Before\r\n${NEW}# After\r\n`,
  },
  {
    name: "an empty line before it, at the very beginning",
    file: `\n${START}\n${END}\n`,
    before: "\n",
    section: `${START}\n${END}\n`,
    after: "",
    becomes: `\n${NEW}`,
  },
  {
    name: "empty lines behind it",
    file: `${START}\n${END}\n\n\nHost a\n`,
    before: "",
    section: `${START}\n${END}\n`,
    after: "\n\nHost a\n",
    becomes: `${NEW}\n\nHost a\n`,
  },
  {
    name: "a section that was indented, and blanks behind it",
    file: `Host a\n\t${START}\n\tHost b\n  ${END} \t\nHost c`,
    before: "Host a\n",
    section: `\t${START}\n\tHost b\n  ${END} \t\n`,
    after: "Host c",
    becomes: `Host a\n${NEW}Host c`,
  },
  {
    name: "a byte order mark",
    file: `\ufeff${START}\n${END}\nHost c`,
    before: "\ufeff",
    section: `${START}\n${END}\n`,
    after: "Host c",
    becomes: `\ufeff${NEW}Host c`,
  },
];

for (const { name, file, before, section, after, becomes } of SPLITS) {
  Deno.test(`splitConfig() and withSection(): ${name}`, () => {
    const split = splitConfig(bytes(file));
    deepStrictEqual(split, {
      before: bytes(before),
      section: section === undefined ? undefined : bytes(section),
      after: bytes(after),
    });
    const made = withSection(split, NEW);
    deepStrictEqual(made, bytes(becomes));
    deepStrictEqual(withSection(splitConfig(made), NEW), made, "the second time changes nothing");
  });
}

Deno.test("splitConfig() leaves bytes of other encodings as they are", () => {
  const latin = Uint8Array.of(0x23, 0xfc, 0x80, 0xff, 0x00, 0x0a);
  const made = withSection(splitConfig(latin), NEW);
  deepStrictEqual(made.subarray(0, latin.length), latin);
  const around = Uint8Array.from([...latin, ...bytes(NEW), ...latin]);
  deepStrictEqual(withSection(splitConfig(around), NEW), around);
});

const MALFORMED: readonly (readonly [name: string, file: string, message: string])[] = [
  [
    "out of order",
    `# Before\n${END}\n${START}\n# After`,
    "ssh config has coder section, but it is malformed and the END header is before the START header",
  ],
  [
    "no start",
    `# Before\n${END}\n# After`,
    "ssh config has end header, but missing start header",
  ],
  [
    "no end",
    `# Before\n${START}\n# After`,
    "ssh config has start header, but missing end header",
  ],
  [
    "one start too many",
    `# Before\n${START}\n${END}\n${START}\n# After`,
    "ssh config has multiple coder sections, please remove all but one",
  ],
  [
    "one end too many",
    `# Before\n${START}\n${END}\n${END}\n# After`,
    "ssh config has multiple coder sections, please remove all but one",
  ],
  [
    "a word before the start",
    `User x ${START}\n${END}\n`,
    "ssh config has coder section, but its headers do not stand on lines of their own",
  ],
  [
    "a word behind the end",
    `${START}\n${END} Host b\n`,
    "ssh config has coder section, but its headers do not stand on lines of their own",
  ],
  ["UTF-16", "\ufeff\u4848", "it is UTF-16, which OpenSSH does not read"],
];

for (const [name, file, message] of MALFORMED) {
  Deno.test(`splitConfig() refuses ${name}`, () => {
    const encoded = name === "UTF-16" ? Uint8Array.of(0xff, 0xfe, 0x48, 0x00) : bytes(file);
    throws(() => splitConfig(encoded), {
      name: "UserError",
      message: `Malformed config: ${message}`,
    });
  });
}

Deno.test("splitConfig() is as fast for a file full of blanks and half markers", () => {
  const file = bytes(`${" \t".repeat(1_000_000)}${START.slice(0, -1).repeat(10_000)}`);
  strictEqual(splitConfig(file).section, undefined);
});
