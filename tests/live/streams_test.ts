import { register } from "./check.ts";
import { STREAMS_CHECKS } from "./checks/streams.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "standard streams:",
  checks: STREAMS_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
