/** All targets, in the order of a byte's way. */
import type { FuzzTarget } from "../target.ts";
import { COORDINATION_TARGETS } from "./coordination.ts";
import { DATAGRAM_TARGETS } from "./datagrams.ts";
import { FILE_TARGETS } from "./files.ts";
import { KEPT_TARGETS } from "./kept.ts";
import { PATH_TARGETS } from "./paths.ts";
import { SHARING_TARGETS } from "./sharing.ts";
import { SSH_TARGETS } from "./ssh.ts";
import { STREAM_TARGETS } from "./streams.ts";
import { TEXT_TARGETS } from "./texts.ts";

export const TARGETS: readonly FuzzTarget[] = [
  ...DATAGRAM_TARGETS,
  ...PATH_TARGETS,
  ...STREAM_TARGETS,
  ...COORDINATION_TARGETS,
  ...SSH_TARGETS,
  ...SHARING_TARGETS,
  ...KEPT_TARGETS,
  ...TEXT_TARGETS,
  ...FILE_TARGETS,
];
