/** Upstream's grammar of `--tcp` and `--udp` (cli/portforward_internal_test.go and its errors). */
import { deepStrictEqual, throws } from "node:assert/strict";
import { parsePortSpecs } from "../../../../lib/cli/session/port_forward/specs.ts";

const GOOD: readonly (readonly [string, readonly string[]])[] = [
  ["8080", ["any 8080 8080"]],
  ["8080:80", ["any 8080 80"]],
  ["8000-8002", ["any 8000 8000", "any 8001 8001", "any 8002 8002"]],
  ["4000-4001:5000-5001", ["any 4000 5000", "any 4001 5001"]],
  ["1.2.3.4:80", ["1.2.3.4 80 80"]],
  ["127.0.0.1:8080:80", ["127.0.0.1 8080 80"]],
  ["[::]:80", [":: 80 80"]],
  ["[fe80::99b]:8000-8001:9000-9001", ["fe80::99b 8000 9000", "fe80::99b 8001 9001"]],
  ["8080 , 9000:3000", ["any 8080 8080", "any 9000 3000"]],
  ["00080", ["any 80 80"]],
];

const BAD: readonly (readonly [string, string])[] = [
  ["", 'invalid port specification ""'],
  ["cat", 'invalid port specification "cat"'],
  ["8080:", 'invalid port specification "8080:"'],
  ["::1:80", 'invalid port specification "::1:80"'],
  ["[::1::2::3]:80", 'invalid IP address "[::1::2::3]"'],
  ["1.2.3.400:8", 'invalid IP address "1.2.3.400"'],
  ["01.2.3.4:8", 'invalid IP address "01.2.3.4"'],
  ["0", 'parse local port range from "0": parse range start port from "0": port cannot be 0'],
  [
    "80:0",
    'parse remote port range from "80:0": parse range start port from "0": port cannot be 0',
  ],
  ["5-3", 'parse local port range from "5-3": range end port 3 is less than start port 5'],
  [
    "1-70000",
    'parse local port range from "1-70000": parse range end port from "70000": parse port "70000": strconv.ParseUint: parsing "70000": value out of range',
  ],
  ["1-2:3", "port ranges must be the same length, got 2 ports forwarded to 1 ports"],
];

Deno.test("parsePortSpecs() takes upstream's grammar", () => {
  for (const [text, wanted] of GOOD) {
    const got = parsePortSpecs([text], []).map(({ host, local, remote }) =>
      `${host ?? "any"} ${local} ${remote}`
    );
    deepStrictEqual(got, wanted, text);
  }
  deepStrictEqual(parsePortSpecs(["1"], ["1"]).map(({ network }) => network), ["tcp", "udp"]);
});

Deno.test("parsePortSpecs() refuses the rest in upstream's words", () => {
  for (const [text, problem] of BAD) {
    throws(() => parsePortSpecs([text], []), {
      message: `parse port-forward specs: failed to parse TCP port-forward specification ${
        JSON.stringify(text)
      }: ${problem}`,
    }, text);
  }
  throws(() => parsePortSpecs([], ["x"]), {
    message: /failed to parse UDP port-forward specification "x"/,
  });
  throws(() => parsePortSpecs(["80", "80:81"], []), {
    message: "parse port-forward specs: local tcp host:invalid IP port:80 is specified twice",
  });
  throws(() => parsePortSpecs(["1.2.3.4:80,1.2.3.4:79-80"], []), {
    message: /local tcp host:1\.2\.3\.4 port:80 is specified twice/,
  });
});
