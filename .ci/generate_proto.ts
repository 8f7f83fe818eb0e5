/**
 * Generates from `lib/proto/tailnet.proto`, with nothing but npm: `lib/proto/tailnet_pb.ts`, plain functions that read and write each
 * message, and `tests/proto/tailnet.binpb`, by which the tests compare them with the reference implementation.
 * buf compiles; `proto_codec.ts` writes. `--check` writes nothing and fails when what is committed is not what would be generated.
 */
import { codecOf, type FileDescriptorSet } from "./proto_codec.ts";

const BUF = "npm:@bufbuild/buf@1.74.0";
const PROTO_DIR = new URL("../lib/proto/", import.meta.url);
const CODEC_URL = new URL("tailnet_pb.ts", PROTO_DIR);
const DESCRIPTORS_URL = new URL("../tests/proto/tailnet.binpb", import.meta.url);

/** What buf makes of the folder, in one of its formats. */
async function describe(...options: readonly string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command("deno", {
    args: [
      ...["run", "--quiet", "--no-config", "--no-lock"],
      "--allow-all", // buf is a native program: Deno's permissions would not bind it anyway
      ...[BUF, "build", "--as-file-descriptor-set", ...options],
    ],
    cwd: PROTO_DIR,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) {
    throw new Error(`Cannot compile protobuf: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return stdout;
}

async function isCommitted(url: URL, fresh: Uint8Array): Promise<boolean> {
  const committed = await Deno.readFile(url).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return undefined;
  });
  return committed !== undefined && committed.length === fresh.length &&
    committed.every((byte, at) => byte === fresh[at]);
}

async function main(args: readonly string[]): Promise<number> {
  const json = new TextDecoder().decode(await describe("--output", "-#format=json"));
  const set: FileDescriptorSet = JSON.parse(json);
  const fresh: readonly (readonly [URL, Uint8Array])[] = [
    [CODEC_URL, new TextEncoder().encode(codecOf(set))],
    [DESCRIPTORS_URL, await describe("--exclude-source-info", "--output", "-#format=binpb")],
  ];
  let status = 0;
  for (const [url, bytes] of fresh) {
    if (await isCommitted(url, bytes)) continue;
    const name = url.pathname.split("/").slice(-3).join("/");
    if (args.includes("--check")) {
      report(`${name} is stale: run \`deno task generate\``);
      status = 1;
    } else {
      await Deno.writeFile(url, bytes);
      report(`${name} written`);
    }
  }
  return status;
}

function report(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

Deno.exit(await main(Deno.args));
