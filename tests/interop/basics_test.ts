import { ERRORS_CHECKS } from "../live/checks/errors.ts";
import { OPENSSH_CHECKS } from "../live/checks/openssh.ts";
import { STDIO_CHECKS } from "../live/checks/stdio.ts";
import { STREAMS_CHECKS } from "../live/checks/streams.ts";
import { registerOnPeer } from "./site.ts";

registerOnPeer("stdio:", STDIO_CHECKS);
registerOnPeer("openssh:", OPENSSH_CHECKS);
registerOnPeer("errors:", ERRORS_CHECKS);
registerOnPeer("standard streams:", STREAMS_CHECKS);
