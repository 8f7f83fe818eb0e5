/**
 * Fetches a page from a web server in a workspace, which listens on 127.0.0.1 there:
 *   deno run -A --unstable-net examples/fetch_page.ts dev 8080 /index.html
 */
import { type ByteStream, openWorkspace } from "../lib/mod.ts";
import { deployment } from "./deployment.ts";

const [name = "", port = "80", path = "/"] = Deno.args;
await using workspace = await openWorkspace({ ...deployment(), workspace: { name } });
const stream = await workspace.openTcp(Number(port), AbortSignal.timeout(10_000));
const request = `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`; // the server closes after its answer
await stream.write(new TextEncoder().encode(request));
for await (const bytes of chunksOf(stream)) await Deno.stdout.write(bytes);

async function* chunksOf(stream: ByteStream): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(65_536);
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
    yield buffer.subarray(0, count);
  }
  await stream.closeWrite();
}
