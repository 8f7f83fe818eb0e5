// Services for measurements (source, sink, echo), and the copying they share with forwarded ports.

package main

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
)

const bulkChunkBytes = 64 << 10

// serveSource sends as many bytes as the first eight, a big-endian count, ask for.
func serveSource(conn net.Conn) {
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return
	}
	sendBulk(conn, binary.BigEndian.Uint64(head[:]))
}

// serveSink counts to EOF and answers with the count.
func serveSink(conn net.Conn) {
	n, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{conn}, make([]byte, bulkChunkBytes))
	if err != nil {
		return
	}
	conn.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func serveEcho(conn net.Conn) {
	io.CopyBuffer(onlyWriter{conn}, onlyReader{conn}, make([]byte, bulkChunkBytes))
}

// sendBulk writes count bytes: a chunk in which each byte is its offset modulo 251, over and over.
func sendBulk(w io.Writer, count uint64) error {
	chunk := make([]byte, bulkChunkBytes)
	for i := range chunk {
		chunk[i] = byte(i % 251)
	}
	for count > 0 {
		n := min(count, uint64(len(chunk)))
		if _, err := w.Write(chunk[:n]); err != nil {
			return err
		}
		count -= n
	}
	return nil
}

// onlyReader and onlyWriter hide ReadFrom and WriteTo, so that io.CopyBuffer uses its buffer.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

type closeWriter interface{ CloseWrite() error }

// splice copies both ways, passing each side's EOF on, until both have ended.
func splice(a, b net.Conn) {
	var both sync.WaitGroup
	pump := func(to, from net.Conn) {
		io.CopyBuffer(onlyWriter{to}, onlyReader{from}, make([]byte, bulkChunkBytes))
		if half, ok := to.(closeWriter); ok {
			half.CloseWrite()
		} else {
			to.Close()
		}
	}
	both.Go(func() { pump(a, b) })
	pump(b, a)
	both.Wait()
}
