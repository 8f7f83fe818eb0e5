import { register } from "./check.ts";
import { CHANNELS_CHECKS } from "./checks/channels.ts";
import { liveVersion, missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "channels:",
  checks: CHANNELS_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
  version: liveVersion(),
});
