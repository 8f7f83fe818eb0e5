/**
 * A folder of the few programs that a workspace needs to keep a shell, with or without a tmux that is none: a shell between a fifo and
 * a file, which goes on when whoever looks at it goes.
 */
const PROGRAMS = [
  ...["sh", "cat", "sed", "grep", "mkdir", "mkfifo", "ln", "rm", "date", "tty", "printf", "env"],
  ...["kill", "sleep", "stty", "tail", "setsid", "test", "echo"],
];

const FAKE_TMUX = `#!/bin/sh
alive() { test -e "$FAKE_TMUX/$1.pid" && kill -0 "$(cat "$FAKE_TMUX/$1.pid")" 2>/dev/null; }
test "$1" != -u || shift
verb=$1; shift
case $verb in
  has-session) alive "\${2#=}" ;;
  list-sessions)
    for f in "$FAKE_TMUX"/*.pid; do
      n=\${f##*/}; n=\${n%.pid}
      if alive "$n"; then echo "hawser-kept;$n;tmux;1;1700000000"; fi
    done ;;
  list-clients) echo "1700000000 /dev/pts/none" ;;
  new-session)
    n=$3
    if ! alive "$n"; then
      rm -f "$FAKE_TMUX/$n.in"; mkfifo "$FAKE_TMUX/$n.in"; : >"$FAKE_TMUX/$n.out"
      setsid sh -i <>"$FAKE_TMUX/$n.in" >"$FAKE_TMUX/$n.out" 2>&1 &
      echo $! >"$FAKE_TMUX/$n.pid"
    fi
    exec 3<&0
    stty -icanon -echo
    printf "\\033[?1049h"
    tail -n +1 -f "$FAKE_TMUX/$n.out" & t=$!
    cat <&3 >"$FAKE_TMUX/$n.in" & c=$!
    while alive "$n"; do sleep 0.05; done
    kill $t $c
    printf "\\033[?1049l[exited]\\r\\n" ;;
esac
`;

export class Toolbox implements AsyncDisposable {
  readonly folder: string;

  constructor(options: {
    readonly hasTmux: boolean;
    /** Programs that begin their work half a second late. @default none */
    readonly slow?: readonly (typeof PROGRAMS[number])[];
  }) {
    this.folder = Deno.makeTempDirSync({ prefix: "hawser-tools-" });
    Deno.mkdirSync(`${this.folder}/bin`);
    Deno.mkdirSync(`${this.folder}/tmux`);
    for (const name of PROGRAMS) {
      const path = ["/bin", "/usr/bin"].map((dir) => `${dir}/${name}`).find(exists);
      if (path === undefined) continue;
      const place = `${this.folder}/bin/${name}`;
      if (options.slow?.includes(name)) {
        Deno.writeTextFileSync(place, `#!/bin/sh\nsleep 0.5\nexec ${path} "$@"\n`, { mode: 0o755 });
      } else Deno.symlinkSync(path, place);
    }
    if (!options.hasTmux) return;
    Deno.writeTextFileSync(`${this.folder}/bin/tmux`, FAKE_TMUX, { mode: 0o755 });
  }

  /** Variables of the agent. */
  get env(): Readonly<Record<string, string>> {
    return {
      PATH: `${this.folder}/bin`,
      HOME: this.folder,
      XDG_CACHE_HOME: "",
      FAKE_TMUX: `${this.folder}/tmux`,
      ENV: "",
    };
  }

  /** The shells that tmux keeps end, as with the machine that they run on. */
  endShells(): void {
    for (const { name } of Deno.readDirSync(`${this.folder}/tmux`)) {
      if (!name.endsWith(".pid")) continue;
      const pid = Number(Deno.readTextFileSync(`${this.folder}/tmux/${name}`));
      try {
        Deno.kill(pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endShells();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
