/**
 * The generic credentials of Windows (wincred.h, CredReadW and its like), by the permission `ffi`, which nobody is asked for on
 * the way. Implements `HostCredentials` of `lib/base/host.ts`.
 */
import { type HostCredentials, HostError } from "../base/host.ts";
import {
  blobOf,
  CREDENTIAL_BYTES,
  GENERIC_TYPE,
  wideText,
  writeCredential,
} from "./credential_layout.ts";
import { toHostError } from "./host_errors.ts";
import { isPermitted } from "./permissions.ts";

const ADVAPI = {
  CredReadW: { parameters: ["buffer", "u32", "u32", "buffer"], result: "i32" },
  CredWriteW: { parameters: ["buffer", "u32"], result: "i32" },
  CredDeleteW: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  CredFree: { parameters: ["pointer"], result: "void" },
} as const;
const KERNEL = { GetLastError: { parameters: [], result: "u32" } } as const;

const ERROR_NOT_FOUND = 1168;
/** CRED_MAX_CREDENTIAL_BLOB_SIZE is 2560; other programs' versions of it were larger. */
const MAX_BLOB_BYTES = 64 * 1024;

export const WINDOWS_CREDENTIALS: HostCredentials = {
  read: (name) => within("read credentials", (api) => read(api, name)),
  write: (name, blob) => within("write credentials", (api) => write(api, name, blob)),
  remove: (name) => within("remove credentials", (api) => remove(api, name)),
};

interface Api {
  readonly advapi: Deno.DynamicLibrary<typeof ADVAPI>["symbols"];
  readonly kernel: Deno.DynamicLibrary<typeof KERNEL>["symbols"];
}

// deno-lint-ignore require-await -- what it throws is a rejection
async function within<T>(what: string, work: (api: Api) => T): Promise<T> {
  if (!isPermitted({ name: "ffi" })) {
    throw new HostError("not-permitted", `${what}: not permitted (--allow-ffi)`);
  }
  using opened = new DisposableStack();
  try {
    const advapi = Deno.dlopen("advapi32.dll", ADVAPI);
    opened.defer(() => advapi.close());
    const kernel = Deno.dlopen("kernel32.dll", KERNEL);
    opened.defer(() => kernel.close());
    return work({ advapi: advapi.symbols, kernel: kernel.symbols });
  } catch (error) {
    throw toHostError(what, error);
  }
}

function read(api: Api, name: string): Uint8Array | undefined {
  const found = new BigUint64Array(1);
  if (api.advapi.CredReadW(wideText(name), GENERIC_TYPE, 0, found) === 0) {
    return absent(api, "CredReadW");
  }
  const credential = Deno.UnsafePointer.create(found[0] ?? 0n);
  if (credential === null) throw new HostError("other", "CredReadW gave nothing");
  try {
    const { at, bytes } = blobOf(
      Deno.UnsafePointerView.getArrayBuffer(credential, CREDENTIAL_BYTES),
    );
    const blob = Deno.UnsafePointer.create(at);
    if (blob === null || bytes === 0) return new Uint8Array();
    if (bytes > MAX_BLOB_BYTES) throw new HostError("other", `it has ${bytes} bytes`);
    return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(blob, bytes)).slice();
  } finally {
    api.advapi.CredFree(credential);
  }
}

function write(api: Api, name: string, blob: Uint8Array): void {
  const parts = { name: wideText(name), blob: new Uint8Array(blob) };
  const addressOf = (bytes: Uint8Array<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
  const credential = writeCredential({
    name: addressOf(parts.name),
    blob: addressOf(parts.blob),
    blobBytes: parts.blob.length,
  });
  const isWritten = api.advapi.CredWriteW(credential, 0) !== 0;
  parts.blob.fill(0);
  if (!isWritten) throw failure(api, "CredWriteW");
}

function remove(api: Api, name: string): void {
  if (api.advapi.CredDeleteW(wideText(name), GENERIC_TYPE, 0) === 0) absent(api, "CredDeleteW");
}

/** Nothing is there, which is no failure; whatever else it was is one. */
function absent(api: Api, what: string): undefined {
  const error = failure(api, what);
  if (error.number !== ERROR_NOT_FOUND) throw error;
}

function failure({ kernel }: Api, what: string): CredentialError {
  return new CredentialError(what, kernel.GetLastError());
}

class CredentialError extends HostError {
  readonly number: number;

  constructor(what: string, number: number) {
    super("other", `${what} failed with error ${number}`);
    this.number = number;
  }
}
