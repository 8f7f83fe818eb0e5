import { SESSION_CHECKS } from "../live/checks/session.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("session:", SESSION_CHECKS);
