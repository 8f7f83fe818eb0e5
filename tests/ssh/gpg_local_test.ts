import assert from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { SocketError } from "../../lib/base/sockets.ts";
import { LocalGpg } from "../../lib/ssh/gpg_local.ts";
import type { LocalTarget } from "../../lib/ssh/host.ts";
import { MemorySockets } from "../support/memory_sockets.ts";

const ENV: Readonly<Record<string, string>> = { RUN: "/run/user/1000", EMPTY: "" };
const SOCKET = "/run/user/1000/gnupg/S.gpg-agent.extra";
const PATH = "/mnt/home/.gnupg/S.gpg-agent.extra";
const encode = (text: string) => new TextEncoder().encode(text);

interface Scene {
  readonly os?: string;
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Where an agent listens. @default `SOCKET` */
  readonly target?: LocalTarget;
}

/** Connects to `PATH`; what an agent there was told first, or the failure. */
async function dial(scene: Scene): Promise<string> {
  const { os = "linux", files, target = { kind: "unix", path: SOCKET } } = scene;
  const sockets = new MemorySockets();
  const listener = await sockets.listen(target);
  const local = new LocalGpg({
    os,
    sockets,
    run: () => Promise.resolve({ code: 0, stdout: encode(""), stderr: encode("") }),
    readSocketFile: (path) => {
      const file = files[path];
      if (file === undefined) return Promise.reject(new SocketError(`open ${path}: not a file`));
      return Promise.resolve(typeof file === "string" ? encode(file) : file);
    },
    env: (name) => ENV[name],
    print: () => assert.fail("nothing to say"),
  });
  try {
    const stream = await local.connect(PATH);
    await stream.write(encode("hello"));
    const served = await listener.accept();
    assert(served !== undefined);
    const buffer = new Uint8Array(64);
    const count = await served.read(buffer) ?? 0;
    return new TextDecoder("latin1").decode(buffer.subarray(0, count));
  } catch (error) {
    assert(error instanceof Error);
    return error.message;
  } finally {
    listener.close();
  }
}

const redirect = (path: string) => `%Assuan%\nsocket=${path}\n`;

const FOLLOWED: { name: string; files: Scene["files"] }[] = [
  { name: "one", files: { [PATH]: redirect(SOCKET) } },
  {
    name: "one with variables, of which one is empty and one is not set",
    files: { [PATH]: redirect("${EMPTY}${RUN}${NOPE}/gnupg/S.gpg-agent.extra") },
  },
  { name: "one without its last line end", files: { [PATH]: `%Assuan%\nsocket=${SOCKET}` } },
  { name: "one with line ends of Windows", files: { [PATH]: `%Assuan%\r\nsocket=${SOCKET}\r\n` } },
  { name: "one with more lines", files: { [PATH]: `${redirect(SOCKET)}# moved in May\n` } },
  { name: "two in a row", files: { [PATH]: redirect("/a b"), "/a b": redirect(SOCKET) } },
];

for (const { name, files } of FOLLOWED) {
  Deno.test(`LocalGpg.connect() follows a redirection: ${name} (libassuan, assuan_sock_set_sockaddr_un)`, async () => {
    assert.equal(await dial({ files }), "hello");
  });
}

const parseError = (problem: string, path = PATH) =>
  `parse gpg-agent-extra socket file "${path}": ${problem}`;

const REFUSED: { name: string; files: Scene["files"]; message: string }[] = [
  {
    name: "no file at all",
    files: {},
    message: `dial ${PATH}: no such file or directory`,
  },
  {
    name: "a file that is something else",
    files: { [PATH]: "4711\n0123456789abcdef" },
    message: `dial ${PATH}: no such file or directory`,
  },
  {
    name: "a file that is something else, and long",
    files: { [PATH]: "x".repeat(512) },
    message: `dial ${PATH}: no such file or directory`,
  },
  {
    name: "a redirection to nothing",
    files: { [PATH]: redirect("") },
    message: parseError("redirection names no socket"),
  },
  {
    name: "a redirection to nothing but a variable that is not set",
    files: { [PATH]: redirect("${NOPE}") },
    message: parseError("redirection names no socket"),
  },
  {
    name: "a redirection without its second line",
    files: { [PATH]: "%Assuan%\n" },
    message: parseError("redirection names no socket"),
  },
  {
    name: "a redirection that goes on behind its magic",
    files: { [PATH]: `%Assuan%x\nsocket=${SOCKET}\n` },
    message: parseError("redirection names no socket"),
  },
  {
    name: "a redirection that is too long",
    files: { [PATH]: redirect(`/${"x".repeat(512)}`) },
    message: parseError("redirection has more than 511 bytes"),
  },
  {
    name: "a redirection to where nobody listens",
    files: { [PATH]: redirect("/gone") },
    message: "dial /gone: no such file or directory",
  },
  {
    name: "a redirection to itself",
    files: { [PATH]: redirect(PATH) },
    message: `${PATH} leads to ${PATH}, by way of more than 2 redirects`,
  },
  {
    name: "redirections in a circle",
    files: { [PATH]: redirect("/b"), "/b": redirect("/c"), "/c": redirect(PATH) },
    message: `${PATH} leads to ${PATH}, by way of more than 2 redirects`,
  },
];

for (const { name, files, message } of REFUSED) {
  Deno.test(`LocalGpg.connect() tells ${name}`, async () => {
    assert.equal(await dial({ files }), message);
  });
}

Deno.test("LocalGpg.connect() follows a redirection on Windows to the file with the cookie", async () => {
  const cookie = "0123456789abcdef";
  const target: LocalTarget = { kind: "tcp", host: "127.0.0.1", port: 4_711 };
  const file = concatBytes(encode("4711\n"), encode(cookie));
  const files = { [PATH]: redirect("C:\\elsewhere"), "C:\\elsewhere": file };
  assert.equal(await dial({ os: "windows", files, target }), `${cookie}hello`);
  const circle = { [PATH]: redirect(PATH) };
  assert.match(await dial({ os: "windows", files: circle, target }), /more than 2 redirects$/);
});
