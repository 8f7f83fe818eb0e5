import { register } from "./check.ts";
import { STREAMS_CHECKS } from "./checks/streams.ts";
import { missingThere, openLiveDesk } from "./live_desk.ts";

register({
  subject: "standard streams:",
  checks: STREAMS_CHECKS,
  open: openLiveDesk,
  missingThere: missingThere(),
});
