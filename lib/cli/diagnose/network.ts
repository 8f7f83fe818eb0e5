/** What looks at relays, loaded when it is needed: most commands need none of it. */
export { probeRelays } from "../../io/relay_probe.ts";
export { rewriteEmbeddedRelay } from "../../tailnet/derp_map.ts";
export { derpMapFromJson } from "../../tailnet/derp_map_json.ts";
