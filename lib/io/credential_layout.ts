/**
 * CREDENTIALW of wincred.h on 64-bit Windows, 80 bytes, little-endian:
 *   flags u32 | type u32 | target name * | comment * | last written u64 | blob bytes u32 | 4 | blob * | persist u32 |
 *   attribute count u32 | attributes * | target alias * | user name *
 */

export const CREDENTIAL_BYTES = 80;
const LITTLE_ENDIAN = true;
const TYPE_OFFSET = 4;
const TARGET_NAME_OFFSET = 8;
const BLOB_BYTES_OFFSET = 32;
const BLOB_OFFSET = 40;
const PERSIST_OFFSET = 48;
/** CRED_TYPE_GENERIC. */
export const GENERIC_TYPE = 1;
/** CRED_PERSIST_LOCAL_MACHINE: of this user, on this machine, from one logon to the next. */
const LOCAL_MACHINE = 2;

/** A generic credential; addresses are those of the name, in UTF-16 with a zero at its end, and of the blob. */
export function writeCredential(
  parts: { readonly name: bigint; readonly blob: bigint; readonly blobBytes: number },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CREDENTIAL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(TYPE_OFFSET, GENERIC_TYPE, LITTLE_ENDIAN);
  view.setBigUint64(TARGET_NAME_OFFSET, parts.name, LITTLE_ENDIAN);
  view.setUint32(BLOB_BYTES_OFFSET, parts.blobBytes, LITTLE_ENDIAN);
  view.setBigUint64(BLOB_OFFSET, parts.blob, LITTLE_ENDIAN);
  view.setUint32(PERSIST_OFFSET, LOCAL_MACHINE, LITTLE_ENDIAN);
  return bytes;
}

/** Where the blob of a credential lies, and how long it is. */
export function blobOf(credential: ArrayBuffer): { readonly at: bigint; readonly bytes: number } {
  const view = new DataView(credential, 0, CREDENTIAL_BYTES);
  return {
    at: view.getBigUint64(BLOB_OFFSET, LITTLE_ENDIAN),
    bytes: view.getUint32(BLOB_BYTES_OFFSET, LITTLE_ENDIAN),
  };
}

/** UTF-16 with a zero at its end. */
export function wideText(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 * (text.length + 1));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), LITTLE_ENDIAN);
  return bytes;
}
