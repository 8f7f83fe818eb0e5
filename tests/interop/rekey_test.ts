import { rekeyChecks } from "../live/checks/rekey.ts";
import { registerOnPeer } from "./site.ts";

const SHORT_MS = 150_000;
const LONG_MS = 600_000;

registerOnPeer("rekey:", rekeyChecks(Deno.args.includes("--long") ? LONG_MS : SHORT_MS));
