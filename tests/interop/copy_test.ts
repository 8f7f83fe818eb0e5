import { COPY_CHECKS } from "../live/checks/copy.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("copy:", COPY_CHECKS);
