// Watching the workspace: as server-sent events and as one-way websocket.

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const ssePingInterval = 15 * time.Second

func (s *restServer) workspaceBytes() ([]byte, error) {
	s.deployment.mu.Lock()
	defer s.deployment.mu.Unlock()
	return json.Marshal(s.deployment.workspaceJSON())
}

// isWorkspace answers by itself when the id in the path is not the workspace's.
func (s *restServer) isWorkspace(w http.ResponseWriter, r *http.Request) bool {
	id, ok := pathUUID(w, r)
	if ok && id != s.deployment.workspaceID {
		notFound(w)
	}
	return ok && id == s.deployment.workspaceID
}

func (s *restServer) watchSSE(w http.ResponseWriter, r *http.Request) {
	if !s.isWorkspace(w, r) {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Connection", "keep-alive")
	w.Header().Set("X-Accel-Buffering", "no")
	flush := http.NewResponseController(w).Flush
	changes, cancel := s.deployment.subscribe()
	defer cancel()
	ticker := time.NewTicker(ssePingInterval)
	defer ticker.Stop()
	ping := func() error {
		fmt.Fprint(w, "event: ping\n\n")
		return flush()
	}
	data := func() error {
		raw, err := s.workspaceBytes()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "event: data\ndata: %s\n\n", raw)
		return flush()
	}
	if ping() != nil || data() != nil {
		return
	}
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-changes:
			err = data()
		case <-ticker.C:
			err = ping()
		}
		if err != nil {
			return
		}
	}
}

func (s *restServer) watchWebsocket(w http.ResponseWriter, r *http.Request) {
	if !s.isWorkspace(w, r) {
		return
	}
	first := true
	s.stream(w, r, func(send func(any) error) (bool, error) {
		if first {
			first = false
			if err := send(object{"type": "ping", "data": nil}); err != nil {
				return false, err
			}
		}
		raw, err := s.workspaceBytes()
		if err != nil {
			return false, err
		}
		return false, send(object{"type": "data", "data": json.RawMessage(raw)})
	})
}
