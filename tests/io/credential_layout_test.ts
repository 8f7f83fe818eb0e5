/** CREDENTIALW of wincred.h, by the offsets that a C compiler gives it on 64-bit Windows. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { blobOf, wideText, writeCredential } from "../../lib/io/credential_layout.ts";

Deno.test("writeCredential() lays a generic credential out as the system reads it", () => {
  const bytes = writeCredential({
    name: 0x1122334455667788n,
    blob: 0x99aabbccddeeff00n,
    blobBytes: 0x0a00,
  });
  strictEqual(bytes.length, 80);
  const rows = [
    "00000000" + "01000000", // flags, type
    "8877665544332211", // target name
    "0000000000000000", // comment
    "0000000000000000", // last written
    "000a0000" + "00000000", // blob bytes, padding
    "00ffeeddccbbaa99", // blob
    "02000000" + "00000000", // persist, attribute count
    "0000000000000000", // attributes
    "0000000000000000", // target alias
    "0000000000000000", // user name
  ];
  strictEqual(toHex(bytes), rows.join(""));
  deepStrictEqual(blobOf(bytes.buffer), { at: 0x99aabbccddeeff00n, bytes: 0x0a00 });
});

Deno.test("wideText() is UTF-16 with a zero at its end", () => {
  strictEqual(toHex(wideText("aß😀")), "6100df003dd800de0000");
});
