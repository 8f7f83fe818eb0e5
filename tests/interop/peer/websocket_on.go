//go:build (linux || darwin) && ts_debug_websockets

package main

// websocketBuild says whether upstream's DERP client was compiled with its websocket transport.
const websocketBuild = true
