/** A process of its own for `permissions_test.ts`: what of direct connections there is with the permissions that it was given. */
import { EndpointNames } from "../../lib/io/endpoint_names.ts";
import { openSocketCalls } from "../../lib/io/socket_calls.ts";
import { parseEndpoint } from "../../lib/tailnet/endpoint_text.ts";

const names = new EndpointNames();
const calls = openSocketCalls();
calls?.close();
const targets = Deno.args.map((text) => {
  const endpoint = parseEndpoint(text);
  return endpoint === undefined || names.targetOf(endpoint) === "not-permitted" ? "no" : "yes";
});
const said = {
  hasCalls: calls !== undefined,
  targets,
  listens: [names.mayListen("0.0.0.0"), names.mayListen("::")],
};
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(said)));
