import { TERMINAL_CHECKS } from "../live/checks/terminal.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("terminal:", TERMINAL_CHECKS);
