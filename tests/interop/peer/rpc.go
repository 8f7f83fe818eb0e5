// Names and encoding of the dRPC calls. Messages travel as raw bytes; proto.go gives them meaning.

package main

import (
	"fmt"

	"storj.io/drpc"
	"storj.io/drpc/drpcmanager"
	"storj.io/drpc/drpcwire"
)

const (
	rpcCoordinate         = "/coder.tailnet.v2.Tailnet/Coordinate"
	rpcStreamDERPMaps     = "/coder.tailnet.v2.Tailnet/StreamDERPMaps"
	rpcRefreshResumeToken = "/coder.tailnet.v2.Tailnet/RefreshResumeToken"
	rpcPostTelemetry      = "/coder.tailnet.v2.Tailnet/PostTelemetry"
)

// maxPacketBytes is Coder's limit for one dRPC packet and for one websocket message.
const maxPacketBytes = 4 << 20

// rawEncoding passes *[]byte messages through untouched.
type rawEncoding struct{}

func (rawEncoding) Marshal(msg drpc.Message) ([]byte, error) {
	b, ok := msg.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot marshal %T", msg)
	}
	return *b, nil
}

func (rawEncoding) Unmarshal(buf []byte, msg drpc.Message) error {
	b, ok := msg.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot unmarshal into %T", msg)
	}
	*b = append([]byte(nil), buf...) // buf belongs to the stream
	return nil
}

func drpcManagerOptions() drpcmanager.Options {
	return drpcmanager.Options{Reader: drpcwire.ReaderOptions{MaximumBufferSize: maxPacketBytes}}
}

func sendRaw(s drpc.Stream, msg []byte) error { return s.MsgSend(&msg, rawEncoding{}) }

func recvRaw(s drpc.Stream) (msg []byte, err error) {
	err = s.MsgRecv(&msg, rawEncoding{})
	return msg, err
}
