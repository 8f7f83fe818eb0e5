/** Texts of addresses and endpoints outside the tunnel: `1.2.3.4:5`, `[2001:db8::1]:5`, as Go writes and reads them. */
import { type Endpoint, mapIpv4, unmapIpv4 } from "../wire/endpoint.ts";
import { formatIpv6, parseIpv4, parseIpv6Text } from "./address.ts";

const MAX_PORT = 0xffff;

/** The 16 bytes of an IPv4 or IPv6 address without a zone; `undefined` for anything else. */
export function parseAddress(text: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(text);
  return ipv4 === undefined ? parseIpv6Text(text) : mapIpv4(ipv4);
}

export function formatAddress(address: Uint8Array): string {
  return unmapIpv4(address)?.join(".") ?? formatIpv6(address);
}

/** `1.2.3.4:5` or `[fd00::1]:5`; `undefined` for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? 0);
  if (port < 1 || port > MAX_PORT) return undefined;
  const [, v6, v4] = match ?? [];
  const address = v6 === undefined ? undefined : parseIpv6Text(v6);
  if (address !== undefined) return { address, port };
  const bytes = v4 === undefined ? undefined : parseIpv4(v4);
  return bytes === undefined ? undefined : { address: mapIpv4(bytes), port };
}

export function formatEndpoint({ address, port }: Endpoint): string {
  const text = formatAddress(address);
  return text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`;
}
