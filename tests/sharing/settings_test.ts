import { deepStrictEqual, doesNotMatch, ok, strictEqual, throws } from "node:assert/strict";
import { concatBytes } from "../../lib/base/bytes.ts";
import { SharingError } from "../../lib/sharing/frame.ts";
import {
  decodeSettings,
  encodeSettings,
  type HolderSettings,
  MAX_SETTINGS_BYTES,
} from "../../lib/sharing/settings.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const SETTINGS: HolderSettings = {
  folder: "/run/user/1000/hawser",
  name: "677355d1a4df262e-b9b3ea4b2a3dccddf7185c62",
  agentId: "c2fdd3c6-2b1d-4b5e-8c3d-1f2e3d4c5b6a",
  deploymentUrl: "https://coder.example.com/",
  network: {
    caCertificates: "PEM",
    clientCertificate: { certificate: "cert", key: "key of the certificate" },
  },
  token: "secret-token",
  headers: [["X-Access", "header-secret"]],
  userAgent: "hawser",
  serverVersion: "v2.36.0",
  derpMap: { Regions: { "1": { RegionID: 1 } } },
  forcesWebsocket: false,
  beginsWithWebsocket: true,
  disablesDirect: true,
  keepsSsh: true,
};
const BARE: HolderSettings = {
  ...SETTINGS,
  network: {},
  headers: [],
};

function framed(text: string, length = new TextEncoder().encode(text).length): Uint8Array {
  const json = new TextEncoder().encode(text);
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, length);
  return concatBytes(head, json);
}

Deno.test("settings come back as they were told", () => {
  for (const settings of [SETTINGS, BARE]) {
    deepStrictEqual(decodeSettings(encodeSettings(settings)), settings);
  }
  const { serverVersion: _, derpMap: __, ...without } = SETTINGS;
  deepStrictEqual(decodeSettings(encodeSettings(without)), without);
});

Deno.test("a beginning of settings is not taken for them, wherever it was cut", () => {
  const bytes = encodeSettings(SETTINGS);
  for (let length = 0; length < bytes.length; length++) {
    throws(() => decodeSettings(bytes.subarray(0, length)), SharingError);
  }
  throws(() => decodeSettings(concatBytes(bytes, Uint8Array.of(0x20))), SharingError);
});

Deno.test("what is not right in settings is refused, and no secret of theirs repeated", () => {
  const text = JSON.stringify(SETTINGS);
  const rows = [
    framed(""),
    framed("null"),
    framed("[]"),
    framed(text.slice(0, -1)),
    framed(`${text}secret-token`),
    framed(text.replace('"secret-token"', "secret-token")),
    framed(text, 0xffff_ffff),
    framed(JSON.stringify({ ...SETTINGS, deploymentUrl: "secret-token" })),
    framed(JSON.stringify({ ...SETTINGS, token: undefined })),
    framed(JSON.stringify({ ...SETTINGS, headers: [["secret-token"]] })),
    framed(JSON.stringify({ ...SETTINGS, forcesWebsocket: "secret-token" })),
    framed(JSON.stringify({ ...SETTINGS, network: { clientCertificate: "secret-token" } })),
  ];
  for (const bytes of rows) {
    throws(() => decodeSettings(bytes), (error) => {
      ok(error instanceof SharingError, String(error));
      strictEqual(error.code, "bad-settings");
      doesNotMatch(error.message, /secret/);
      strictEqual(error.cause, undefined);
      return true;
    });
  }
});

Deno.test("settings that are too long are not sent", () => {
  const caCertificates = "x".repeat(MAX_SETTINGS_BYTES);
  throws(() => encodeSettings({ ...SETTINGS, network: { caCertificates } }), SharingError);
});

Deno.test("any bytes are settings or refused", () => {
  const random = new SeededRandom(4);
  const good = encodeSettings(SETTINGS);
  for (let round = 0; round < 500; round++) {
    const bytes = good.slice();
    for (let i = 0; i < 1 + random.below(4); i++) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      decodeSettings(bytes);
    } catch (error) {
      ok(error instanceof SharingError, String(error));
    }
  }
});
