#!/bin/sh
# hawser with the Deno that lies beside it, wherever the folder is, and whatever links lead to it.
link=$0
while [ -L "$link" ]; do
  target=$(readlink "$link")
  case $target in
    /*) link=$target ;;
    *) link=${link%/*}/$target ;;
  esac
done
here=$(cd "${link%/*}" && pwd) || exit 127
DENO_NO_UPDATE_CHECK=1 exec "$here/deno" run @FLAGS@ "$here/bundle/main.js" "$@"
