/** Files of the user that others write to as well, what a deployment wants in them, and where it sends us. */
import { UserError } from "../../../lib/base/errors.ts";
import { tokenFor } from "../../../lib/cli/config/keyring.ts";
import { parseOptions } from "../../../lib/cli/ssh_config/options.ts";
import { splitConfig, withSection } from "../../../lib/cli/ssh_config/section.ts";
import { checkSshSettings } from "../../../lib/cli/ssh_config/settings.ts";
import { redirectTarget } from "../../../lib/coder/redirect.ts";
import { webUrl } from "../../../lib/coder/url.ts";
import { certificatesIn } from "../../../lib/base/pem.ts";
import { EscapeFilter } from "../../../lib/ssh/escape.ts";
import { ScreenModes } from "../../../lib/ssh/screen_modes.ts";
import { parseUdp, UdpHeader } from "../../../lib/wire/udp.ts";
import { IPV6_HEADER_BYTES, IPV6_SOURCE_OFFSET } from "../../../lib/wire/ipv6.ts";
import { tlsFixture } from "../../io/support.ts";
import { type FuzzTarget, pieces, textTarget } from "../target.ts";

const isForUser = (error: unknown): boolean => error instanceof UserError;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const SECTION = `# ------------START-CODER-----------
# This section is managed by coder. DO NOT EDIT.
#
# Last config-ssh options:
# :wait=yes
# :ssh-host-prefix=coder-
# :ssh-option=ForwardAgent=yes
# :header=X-A=b
#
Host coder-*
	ProxyCommand coder ssh --stdio %n
# ------------END-CODER------------
`;

const sshConfig: FuzzTarget = {
  room: "cli",
  name: "sections of an ssh_config",
  corpus: [SECTION, `Host a\n  User b\n\n${SECTION}\nHost c\r\n`, "\ufeffHost *\n"].map(utf8),
  isDeclared: isForUser,
  run(input) {
    const config = splitConfig(input);
    if (config.section !== undefined) parseOptions(new TextDecoder().decode(config.section));
    withSection(config, "");
  },
};

const settings = textTarget({
  room: "cli",
  name: "a deployment's wishes for ssh_config",
  corpus: ["coder.\0coder\0ForwardAgent\0yes", 'main-\0\0SetEnv\0A="b c"', "\0x\0User\0\\\\"],
  isDeclared: isForUser,
  run(text) {
    const [hostnamePrefix = "", hostnameSuffix = "", ...rest] = text.split("\0");
    const options = new Map<string, string>();
    for (let at = 0; at < rest.length; at += 2) options.set(rest[at] ?? "", rest[at + 1] ?? "");
    checkSshSettings({ hostnamePrefix, hostnameSuffix, options });
    for (const [key, value] of options) {
      if (/[\r\n\0]/.test(key + value)) throw new Error(`a line of its own: ${key} ${value}`);
      if (/^(host|match|include|proxycommand)$/i.test(key.trim())) throw new Error(`taken: ${key}`);
    }
  },
});

const ASKED = { method: "GET", url: new URL("https://coder.example.com/api/v2/users/me") };

const redirects = textTarget({
  room: "coder",
  name: "redirects and addresses of pages",
  corpus: [
    "/login",
    "//evil.example",
    "https://u:p@coder.example.com:8443/x",
    "file:///etc/passwd",
  ],
  isDeclared: isForUser,
  run(text) {
    const page = webUrl(text);
    if (page !== "" && !/^https?:/i.test(page)) throw new Error(`a page at ${page}`);
    const target = redirectTarget(ASKED, text);
    const isPlain = target.username === "" && target.password === "";
    if (!isPlain || !/^https?:$/.test(target.protocol)) throw new Error(`leads to ${target}`);
  },
});

const certificates = textTarget({
  room: "io",
  name: "certificates",
  corpus: [
    tlsFixture("ca.crt"),
    `# Corp\r\n${tlsFixture("ca.crt").slice(0, 200)}${tlsFixture("server.crt")}`,
  ],
  run: (text) => void certificatesIn(text),
});

const KEYCHAIN = '{"coder.example.com":{"coder_url":"coder.example.com","api_token":"t"}}';

const keychain = textTarget({
  room: "cli",
  name: "the keychain's secret",
  corpus: [KEYCHAIN],
  run: (text) => void tokenFor(ASKED.url, new TextEncoder().encode(text)),
});

const terminal: FuzzTarget = {
  room: "ssh",
  name: "terminal output and escapes",
  corpus: [
    "\x1b[?1049h\x1b[?2004h\x1b[>1u\x1b[1;31mtext\x1b[0m\x1b[?25l\x1b(0q\x1b(B\x1b[1;20r",
    "\x1b]0;title\x07\x1b[!p\x1bc\x1b[>4;2m\x1b[4 q\r\n",
    "\r~.\r~?\r~~\r~#\r~B\r~C",
  ].map(utf8),
  run(input, random) {
    const modes = new ScreenModes();
    const escapes = new EscapeFilter();
    for (const piece of pieces(input, random)) {
      modes.handleOutput(piece);
      escapes.handleInput(piece);
    }
    const restored = modes.restore();
    if (restored.length > 1_000) throw new Error(`${restored.length} characters to restore`);
    if (modes.restore() !== "") throw new Error("restored twice");
  },
};

const header = new UdpHeader();

const udp: FuzzTarget = {
  room: "wire",
  name: "UDP inside the tunnel",
  corpus: [new Uint8Array(IPV6_HEADER_BYTES + 8), new Uint8Array(IPV6_HEADER_BYTES + 300).fill(1)],
  run(input) {
    if (input.length < IPV6_HEADER_BYTES) return; // looked at before
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    const length = input.length - IPV6_HEADER_BYTES;
    if (parseUdp(view, IPV6_HEADER_BYTES, length, IPV6_SOURCE_OFFSET, header) !== undefined) return;
    if (header.payloadBytes + 8 > length) throw new Error("more payload than there is");
  },
};

export const FILE_TARGETS: readonly FuzzTarget[] = [
  sshConfig,
  settings,
  redirects,
  certificates,
  keychain,
  terminal,
  udp,
];
