/** `hold-tunnel`: the process that `--shared-tunnel` leaves behind. Nobody types it: all it needs comes on standard input. */
import { ExpectedError } from "../../base/errors.ts";
import { type Host, HostError } from "../../base/host.ts";
import { HELD } from "../../base/host_network.ts";
import { HOLD_COMMAND } from "../ready/sharing.ts";
import { Interrupt } from "../terminal/interrupt.ts";
import { writeText } from "../terminal/print.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: HOLD_COMMAND,
  usage: "",
  summary: "Hold a tunnel for other runs of this program.",
  isHidden: true,
  readsEnvironment: false,
  flags: {},
  positionals: { min: 0, max: 0 },
  async run(_, { host }) {
    using interrupt = new Interrupt(host);
    const tell = (word: string) => tellStarter(host, word);
    try {
      await host.tunnels.hold({
        read: (into) => host.stdin.read(into),
        onHeld: () => tell(HELD),
        signal: interrupt.signal,
      });
      return 0;
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      await tell(error.message);
      return 1;
    }
  },
});

/** Whoever started us may have gone meanwhile; standard error leads nowhere. */
async function tellStarter(host: Host, word: string): Promise<void> {
  try {
    await writeText(host.stdout, `${word}\n`);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
}
