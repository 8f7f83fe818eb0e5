/** What goes to and comes from a kept shell: the stream of an agent's terminal, marks in output, answers of scripts. */
import { ProtocolError } from "../../../lib/base/errors.ts";
import { parseList, parseProbe } from "../../../lib/cli/session/persist/answers.ts";
import {
  encodeInit,
  encodeTyped,
  TerminalRequestReader,
} from "../../../lib/ssh/reconnecting_frames.ts";
import { ShellMarks } from "../../../lib/ssh/shell_marks.ts";
import { type FuzzTarget, pieces, textTarget } from "../target.ts";

const INIT = encodeInit({
  id: "0f4408eb-3fe9-8e74-822e-dd51ba3b6e83",
  size: { columns: 80, rows: 24 },
  command: "true",
  container: "",
  containerUser: "",
});
/** More is never held back of the output. */
const MAX_HELD_BYTES = 256;

export const KEPT_TARGETS: readonly FuzzTarget[] = [
  {
    room: "ssh",
    name: "TerminalRequestReader",
    corpus: [INIT, Uint8Array.from([...INIT, ...encodeTyped('a"\\{}')])],
    isDeclared: (error) => error instanceof ProtocolError,
    run(input, random) {
      const reader = new TerminalRequestReader();
      for (const piece of pieces(input, random)) reader.handleBytes(piece);
    },
  },
  {
    room: "ssh",
    name: "ShellMarks",
    corpus: [
      new TextEncoder().encode(
        "a\x1b_hawser;begin;ab;/dev/pts/1;17\x1b\\b\x1b_hawser;end;exit;7\x1b\\",
      ),
    ],
    run(input, random) {
      const marks = new ShellMarks();
      for (const piece of pieces(input, random)) marks.handleOutput(piece);
      if (marks.takeRest().length > MAX_HELD_BYTES) throw new Error("Output was held back");
    },
  },
  textTarget({
    room: "cli",
    name: "answers of the scripts around kept shells",
    corpus: [
      "hawser-shell;tmux;kept;link;/root/.cache/hawser/agent.main\n",
      "hawser-kept;hawser-main;tmux;1;1700000000\nhawser-kept;hawser-b;agent;;\n",
    ],
    run(text) {
      parseProbe(text);
      parseList(text);
    },
  }),
];
