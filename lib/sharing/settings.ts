/**
 * What the process that holds a tunnel is told on its standard input, and nowhere else, for it has secrets:
 *   length u32be (of what follows) | JSON
 * The length tells all of it from a beginning of it, which is what comes when whoever starts the process is killed meanwhile.
 */
import * as v from "valibot";
import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { SharingError } from "./frame.ts";

const SETTINGS = v.object({
  /** Where the socket belongs, and its name there. */
  folder: v.string(),
  name: v.string(),
  agentId: v.string(),
  deploymentUrl: v.pipe(v.string(), v.url()),
  network: v.object({
    caCertificates: v.optional(v.string()),
    clientCertificate: v.optional(v.object({ certificate: v.string(), key: v.string() })),
  }),
  token: v.string(),
  headers: v.array(v.tuple([v.string(), v.string()])),
  userAgent: v.string(),
  serverVersion: v.optional(v.string()),
  derpMap: v.optional(v.unknown()),
  forcesWebsocket: v.boolean(),
  beginsWithWebsocket: v.boolean(),
  disablesDirect: v.boolean(),
  /** Whether an SSH connection is to be held as well, before anybody asks for one. */
  keepsSsh: v.boolean(),
});
export type HolderSettings = v.InferOutput<typeof SETTINGS>;

const HEADER_BYTES = 4;
/** Certificates of a company are the longest part. */
export const MAX_SETTINGS_BYTES = 4 * 1_024 * 1_024;

/** Throws `SharingError` for what nobody would read. */
export function encodeSettings(settings: HolderSettings): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(settings));
  if (HEADER_BYTES + json.length > MAX_SETTINGS_BYTES) {
    throw bad(`${json.length} bytes are too many`);
  }
  const bytes = new Uint8Array(HEADER_BYTES + json.length);
  new ByteWriter(bytes).u32be(json.length).bytes(json);
  json.fill(0);
  return bytes;
}

/** Throws `SharingError`, which repeats nothing of it. */
export function decodeSettings(bytes: Uint8Array): HolderSettings {
  if (bytes.length < HEADER_BYTES) throw bad("they are cut off");
  const length = new ByteReader(bytes).u32be();
  if (bytes.length !== HEADER_BYTES + length) {
    throw bad(`${bytes.length - HEADER_BYTES} bytes instead of ${length}`);
  }
  const result = v.safeParse(SETTINGS, parse(bytes.subarray(HEADER_BYTES)));
  if (result.success) return result.output;
  const where = result.issues[0].path?.map(({ key }) => String(key)).join(".") ?? "the whole";
  throw bad(`${where} is not what it should be`);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    // The error's text quotes what it could not read.
    if (error instanceof SyntaxError) throw bad("they are not JSON");
    throw error;
  }
}

function bad(why: string): SharingError {
  return new SharingError(`Cannot read the settings of a shared tunnel: ${why}`, {
    code: "bad-settings",
  });
}
