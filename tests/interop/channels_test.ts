import { CHANNELS_CHECKS } from "../live/checks/channels.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("channels:", CHANNELS_CHECKS);
