/** The addresses of this machine's interfaces, which peers in the same network can reach (`--allow-sys`). */
import { parseAddress } from "../tailnet/endpoint_text.ts";
import type { AddressFamily } from "../wire/endpoint.ts";
import type { InterfaceAddress } from "../tailnet/paths/own_endpoints.ts";
import { isPermitted } from "./permissions.ts";

/** None where the permission is missing: STUN still tells the address that others see. */
export function localInterfaces(): InterfaceAddress[] {
  if (!isPermitted({ name: "sys", kind: "networkInterfaces" })) return [];
  return Deno.networkInterfaces().flatMap(({ name, address: text }) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [{ name, address }];
  });
}

/** Addresses to listen on, as if an interface had each. */
export function interfacesOf(
  bind: Readonly<Partial<Record<AddressFamily, string>>>,
): InterfaceAddress[] {
  return Object.values(bind).flatMap((text) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [{ name: text, address }];
  });
}
