/** Which STUN servers a relay map names. */
import assert from "node:assert/strict";
import { derpMapOf, type DerpNode } from "../../../lib/tailnet/derp_map.ts";
import { formatAddress } from "../../../lib/tailnet/endpoint_text.ts";
import { MAX_STUN_SERVERS, stunServersOf } from "../../../lib/tailnet/paths/stun_servers.ts";

const NODE: DerpNode = {
  name: "1a",
  regionId: 1,
  hostName: "stun.example",
  certName: "",
  ipv4: "",
  ipv6: "",
  stunPort: 0,
  stunOnly: true,
  derpPort: 0,
  insecureForTests: false,
  forceHttp: false,
  stunTestIp: "",
  canPort80: false,
};

function describe(nodes: readonly Partial<DerpNode>[]): string[] {
  const region = { id: 1, code: "", name: "", embeddedRelay: false, avoid: false };
  const map = derpMapOf([{ ...region, nodes: nodes.map((node) => ({ ...NODE, ...node })) }]);
  const text = (address: Uint8Array | "none" | undefined) =>
    address === undefined ? "ask" : address === "none" ? "none" : formatAddress(address);
  return stunServersOf(map).map(({ host, port, ipv4, ipv6 }) =>
    `${host}:${port} ${text(ipv4)} ${text(ipv6)}`
  );
}

Deno.test("stunServersOf() reads ports and addresses as the original does (tailcfg DERPNode)", () => {
  assert.deepEqual(describe([{}]), ["stun.example:3478 ask ask"]);
  assert.deepEqual(describe([{ stunPort: -1 }, { stunPort: 70_000 }]), []);
  assert.deepEqual(describe([{ stunPort: 19_302, ipv4: "none", ipv6: "none" }]), [
    "stun.example:19302 none none",
  ]);
  assert.deepEqual(describe([{ ipv4: "192.0.2.1", ipv6: "2001:db8::1" }]), [
    "stun.example:3478 192.0.2.1 2001:db8::1",
  ]);
  assert.deepEqual(describe([{ ipv4: "2001:db8::1" }]), ["stun.example:3478 none ask"]);
  assert.deepEqual(describe([{ stunTestIp: "127.0.0.1" }]), ["stun.example:3478 127.0.0.1 none"]);
});

Deno.test("stunServersOf() asks regions to avoid last, each server once, and not more than the bound", () => {
  const region = (id: number, hostName: string) => ({
    id,
    code: "",
    name: "",
    embeddedRelay: false,
    avoid: id === 1,
    nodes: [{ ...NODE, hostName }],
  });
  const map = derpMapOf([region(1, "a"), region(3, "c"), region(2, "c")]);
  assert.deepEqual(stunServersOf(map).map(({ host }) => host), ["c", "a"]);
  const many = derpMapOf(Array.from({ length: 50 }, (_, i) => region(i + 1, `h${i}`)));
  assert.equal(stunServersOf(many).length, MAX_STUN_SERVERS);
});
