// The REST routes a `coder ssh` calls, with the answers and errors of Coder v2.36 (an AGPL build: no /appearance,
// no /entitlements).

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

type validation struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

type apiError struct {
	Message     string       `json:"message"`
	Detail      string       `json:"detail,omitempty"`
	Validations []validation `json:"validations,omitempty"`
}

const (
	messageSignedOut = "You are signed out or your session has expired. Please sign in again to continue."
	messageNotFound  = "Resource not found or you do not have access to this resource"
	messageNoAgent   = "Agent doesn't exist with that id, or you do not have access to it."
	messageNoRoute   = "Route not found."
)

type restServer struct {
	deployment   *deployment
	coordination *coordination
	relay        *relay

	forceWebsockets bool
	blockDirect     bool
	startWorkspace  func(reason string) *build
	stopWorkspace   func(reason string) *build
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(body)
}

func writeError(w http.ResponseWriter, status int, e apiError) { writeJSON(w, status, e) }

func notFound(w http.ResponseWriter) {
	writeError(w, http.StatusNotFound, apiError{Message: messageNotFound})
}

// handler puts the routes together.
func (s *restServer) handler() http.Handler {
	api := http.NewServeMux()
	open := func(pattern string, h http.HandlerFunc) {
		api.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.deployment.count(r, r.Pattern[strings.IndexByte(r.Pattern, ' ')+1:])
			h(w, r)
		})
	}
	guarded := func(pattern string, h http.HandlerFunc) {
		open(pattern, func(w http.ResponseWriter, r *http.Request) {
			if why := s.deployment.checkToken(r); why != "" {
				w.Header().Set("WWW-Authenticate", `Bearer realm="coder"`)
				writeError(w, http.StatusUnauthorized, apiError{Message: messageSignedOut, Detail: why})
				return
			}
			h(w, r)
		})
	}
	const v2 = "/api/v2"
	open("GET "+v2+"/buildinfo", s.buildInfo)
	open("GET "+v2+"/users/first", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, apiError{Message: "The initial user has already been created!"})
	})
	guarded("POST "+v2+"/users/logout", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, apiError{Message: "Logged out!"})
	})
	guarded("GET "+v2+"/users/{user}", s.user)
	guarded("GET "+v2+"/users/{user}/workspace/{name}", s.workspaceByName)
	guarded("GET "+v2+"/workspaces", s.workspaces)
	guarded("GET "+v2+"/workspaces/{id}", s.workspaceByID)
	guarded("GET "+v2+"/workspaces/{id}/watch", s.watchSSE)
	since := func(first release, pattern string, h http.HandlerFunc) {
		if s.deployment.release.has(first) {
			guarded(pattern, h)
		}
	}
	since(watchByWebsocket, "GET "+v2+"/workspaces/{id}/watch-ws", s.watchWebsocket)
	since(usageReports, "POST "+v2+"/workspaces/{id}/usage", s.usage)
	guarded("POST "+v2+"/workspaces/{id}/builds", s.createBuild)
	guarded("GET "+v2+"/workspacebuilds/{id}", s.build)
	guarded("GET "+v2+"/workspacebuilds/{id}/parameters", s.buildParameters)
	guarded("GET "+v2+"/workspacebuilds/{id}/logs", s.buildLogs)
	guarded("GET "+v2+"/templateversions/{id}", s.templateVersion)
	guarded("GET "+v2+"/templates/{id}", s.template)
	since(newAgentRoutes, "GET "+v2+"/workspaceagents/connection", s.connection)
	guarded("GET "+v2+"/workspaceagents/{id}", s.withAgent(s.agent))
	guarded("GET "+v2+"/workspaceagents/{id}/connection", s.withAgent(func(w http.ResponseWriter, r *http.Request, _ uuid) {
		s.connection(w, r)
	}))
	guarded("GET "+v2+"/workspaceagents/{id}/coordinate", s.withAgent(s.coordination.serve))
	since(newAgentRoutes, "GET "+v2+"/workspaceagents/{id}/logs", s.withAgent(s.agentLogs))
	if s.deployment.release.has(newAgentRoutes) {
		open("GET "+v2+"/derp-map", s.coordination.serveDERPMap)
	}
	if !s.deployment.release.has(dRPCCoordination) {
		guarded("GET "+v2+"/workspaceagents/{id}/startup-logs", s.withAgent(s.agentLogs))
	}
	guarded("GET "+v2+"/deployment/ssh", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.withSuffix(object{"hostname_prefix": "coder.", "ssh_config_options": object{}}))
	})
	guarded(v2+"/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, apiError{Message: messageNoRoute})
	})
	open("/derp", s.relay.ServeHTTP)
	open("GET /derp/latency-check", s.relay.serveLatencyCheck)
	open("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, apiError{Message: messageNoRoute})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Coder-Build-Version", s.deployment.buildVersion)
		api.ServeHTTP(w, r)
	})
}

// checkToken returns what is wrong with the request's token, or "". The order of the places is Coder's.
func (d *deployment) checkToken(r *http.Request) string {
	var token string
	if cookie, err := r.Cookie("coder_session_token"); err == nil {
		token = cookie.Value
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !d.release.has(bearerTokens) {
		bearer = ""
	}
	for _, candidate := range []string{
		r.URL.Query().Get("coder_session_token"), r.Header.Get("Coder-Session-Token"), bearer, r.URL.Query().Get("access_token"),
	} {
		if token == "" {
			token = candidate
		}
	}
	switch parts := strings.Split(token, "-"); {
	case token == "":
		return `Cookie "coder_session_token" or query parameter must be provided.`
	case len(parts) != 2:
		return fmt.Sprintf("Invalid API key format: incorrect amount of API key parts, expected 2 got %d", len(parts))
	case token != d.token:
		return "API key is invalid."
	}
	return ""
}

// pathUUID answers 400 by itself when the id in the path is none.
func pathUUID(w http.ResponseWriter, r *http.Request) (uuid, bool) {
	text := r.PathValue("id")
	id, err := parseUUID(text)
	if err != nil {
		writeError(w, http.StatusBadRequest, apiError{Message: fmt.Sprintf("Invalid UUID %q.", text), Detail: err.Error()})
		return id, false
	}
	return id, true
}

// locked runs shape under the state's lock and writes its result, or 404 for nil.
func (s *restServer) locked(w http.ResponseWriter, shape func(d *deployment) any) {
	s.deployment.mu.Lock()
	body := shape(s.deployment)
	var raw []byte
	var err error
	if body != nil {
		raw, err = json.Marshal(body) // under the lock: shapes share slices with the state
	}
	s.deployment.mu.Unlock()
	switch {
	case err != nil:
		writeError(w, http.StatusInternalServerError, apiError{Message: err.Error()})
	case body == nil:
		notFound(w)
	default:
		writeJSON(w, http.StatusOK, json.RawMessage(raw))
	}
}

func (s *restServer) buildInfo(w http.ResponseWriter, _ *http.Request) {
	s.locked(w, func(d *deployment) any {
		return object{
			"external_url": "https://github.com/coder/coder", "version": d.buildVersion, "dashboard_url": d.url,
			"telemetry": false, "workspace_proxy": false, "agent_api_version": "1.0", "provisioner_api_version": "1.18",
			"upgrade_message": "", "deployment_id": d.deploymentID,
		}
	})
}

func (d *deployment) isOwner(name string) bool {
	return name == "me" || strings.EqualFold(name, ownerName) || name == d.userID.String()
}

func (s *restServer) user(w http.ResponseWriter, r *http.Request) {
	s.locked(w, func(d *deployment) any {
		if !d.isOwner(r.PathValue("user")) {
			return nil
		}
		return d.userJSON()
	})
}

func (s *restServer) workspaceByName(w http.ResponseWriter, r *http.Request) {
	if owner := r.PathValue("user"); !s.deployment.isOwner(owner) && !s.deployment.release.has(dRPCCoordination) {
		writeError(w, http.StatusBadRequest, apiError{Message: `"user" must be an existing uuid or username.`})
		return
	}
	s.locked(w, func(d *deployment) any {
		if !d.isOwner(r.PathValue("user")) || !strings.EqualFold(r.PathValue("name"), workspaceName) {
			return nil
		}
		return d.workspaceJSON()
	})
}

// byID is for objects of which the deployment has exactly one.
func (s *restServer) byID(w http.ResponseWriter, r *http.Request, want uuid, shape func(d *deployment) any) {
	id, ok := pathUUID(w, r)
	if !ok {
		return
	}
	if id != want {
		notFound(w)
		return
	}
	s.locked(w, shape)
}

func (s *restServer) workspaceByID(w http.ResponseWriter, r *http.Request) {
	s.byID(w, r, s.deployment.workspaceID, func(d *deployment) any { return d.workspaceJSON() })
}

func (s *restServer) templateVersion(w http.ResponseWriter, r *http.Request) {
	s.byID(w, r, s.deployment.versionID, func(d *deployment) any { return d.templateVersionJSON() })
}

func (s *restServer) template(w http.ResponseWriter, r *http.Request) {
	s.byID(w, r, s.deployment.templateID, func(d *deployment) any { return d.templateJSON() })
}

// workspaces understands the terms owner:, name: and bare words of a search.
func (s *restServer) workspaces(w http.ResponseWriter, r *http.Request) {
	s.locked(w, func(d *deployment) any {
		for _, term := range strings.Fields(strings.ToLower(r.URL.Query().Get("q"))) {
			name, value, ok := strings.Cut(term, ":")
			value = strings.Trim(value, `"`)
			switch {
			case ok && name == "owner" && d.isOwner(value), ok && name == "name" && strings.Contains(workspaceName, value):
			case ok && name != "owner" && name != "name":
			case !ok && strings.Contains(ownerName+"/"+workspaceName, term):
			default:
				return object{"workspaces": []any{}, "count": 0}
			}
		}
		return object{"workspaces": []object{d.workspaceJSON()}, "count": 1}
	})
}

func (s *restServer) findBuild(id uuid) *build {
	s.deployment.mu.Lock()
	defer s.deployment.mu.Unlock()
	for _, b := range s.deployment.builds {
		if b.id == id {
			return b
		}
	}
	return nil
}

func (s *restServer) build(w http.ResponseWriter, r *http.Request) {
	id, ok := pathUUID(w, r)
	if !ok {
		return
	}
	b := s.findBuild(id)
	if b == nil {
		notFound(w)
		return
	}
	s.locked(w, func(d *deployment) any { return d.buildJSON(b) })
}

func (s *restServer) buildParameters(w http.ResponseWriter, r *http.Request) {
	if id, ok := pathUUID(w, r); !ok {
		return
	} else if s.findBuild(id) == nil {
		notFound(w)
		return
	}
	writeJSON(w, http.StatusOK, []any{})
}

func (s *restServer) createBuild(w http.ResponseWriter, r *http.Request) {
	id, ok := pathUUID(w, r)
	if !ok {
		return
	}
	if id != s.deployment.workspaceID {
		notFound(w)
		return
	}
	var body struct{ Transition, Reason string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		writeError(w, http.StatusBadRequest, apiError{Message: "Request body must be valid JSON.", Detail: err.Error()})
		return
	}
	if body.Reason == "" {
		body.Reason = "initiator"
	}
	var b *build
	switch body.Transition {
	case "start":
		b = s.startWorkspace(body.Reason)
	case "stop":
		b = s.stopWorkspace(body.Reason)
	default:
		writeError(w, http.StatusBadRequest, apiError{Message: "Validation failed.", Validations: []validation{{
			Field: "transition", Detail: fmt.Sprintf(`Validation failed for tag "oneof" with value: %q`, body.Transition),
		}}})
		return
	}
	if b == nil {
		writeError(w, http.StatusConflict, apiError{Message: "A workspace build is already active."})
		return
	}
	s.deployment.mu.Lock()
	raw, err := json.Marshal(s.deployment.buildJSON(b))
	s.deployment.mu.Unlock()
	if err != nil {
		writeError(w, http.StatusInternalServerError, apiError{Message: err.Error()})
		return
	}
	writeJSON(w, http.StatusCreated, json.RawMessage(raw))
}

func (s *restServer) usage(w http.ResponseWriter, r *http.Request) {
	if id, ok := pathUUID(w, r); !ok {
		return
	} else if id != s.deployment.workspaceID {
		notFound(w)
		return
	}
	s.deployment.mu.Lock()
	s.deployment.usage++
	s.deployment.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// withAgent checks that the id in the path is the agent of the latest build.
func (s *restServer) withAgent(h func(http.ResponseWriter, *http.Request, uuid)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := pathUUID(w, r)
		if !ok {
			return
		}
		s.deployment.mu.Lock()
		current := s.deployment.latest().agentID
		s.deployment.mu.Unlock()
		if id == (uuid{}) || id != current {
			writeError(w, http.StatusNotFound, apiError{Message: messageNoAgent})
			return
		}
		h(w, r, id)
	}
}

func (s *restServer) agent(w http.ResponseWriter, _ *http.Request, _ uuid) {
	s.locked(w, func(d *deployment) any { return d.agentJSON(d.latest()) })
}

func (s *restServer) connection(w http.ResponseWriter, _ *http.Request) {
	m, _ := s.coordination.maps.get()
	info := object{"derp_map": m}
	if s.deployment.release.has(newAgentRoutes) {
		info["derp_force_websockets"], info["disable_direct_connections"] = s.forceWebsockets, s.blockDirect
	}
	writeJSON(w, http.StatusOK, s.withSuffix(info))
}

func (s *restServer) withSuffix(of object) object {
	if s.deployment.release.has(watchByWebsocket) {
		of["hostname_suffix"] = "coder"
	}
	return of
}

// after returns the value of the query parameter of that name; ok is false when it was no number, and answered.
func after(w http.ResponseWriter, r *http.Request) (id int64, ok bool) {
	text := r.URL.Query().Get("after")
	if text == "" {
		return 0, true
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		writeError(w, http.StatusBadRequest, apiError{Message: `Query param "after" must be an integer.`, Detail: err.Error()})
		return 0, false
	}
	return id, true
}

func (s *restServer) buildLogs(w http.ResponseWriter, r *http.Request) {
	id, ok := pathUUID(w, r)
	if !ok {
		return
	}
	last, ok := after(w, r)
	if !ok {
		return
	}
	b := s.findBuild(id)
	if b == nil {
		notFound(w)
		return
	}
	fresh := func() (lines []buildLog, done bool) {
		s.deployment.mu.Lock()
		defer s.deployment.mu.Unlock()
		lines = []buildLog{}
		for _, l := range b.logs {
			if l.ID > last {
				lines, last = append(lines, l), l.ID
			}
		}
		return lines, b.jobStatus == "succeeded"
	}
	if !r.URL.Query().Has("follow") {
		lines, _ := fresh()
		writeJSON(w, http.StatusOK, lines)
		return
	}
	s.stream(w, r, func(send func(any) error) (bool, error) {
		lines, done := fresh()
		for _, l := range lines {
			if err := send(l); err != nil {
				return false, err
			}
		}
		return done, nil
	})
}

func (s *restServer) agentLogs(w http.ResponseWriter, r *http.Request, id uuid) {
	last, ok := after(w, r)
	if !ok {
		return
	}
	first := true
	fresh := func() (lines []agentLog, replaced bool) {
		s.deployment.mu.Lock()
		defer s.deployment.mu.Unlock()
		lines = []agentLog{}
		for _, l := range s.deployment.agentLogs {
			if l.ID > last {
				lines, last = append(lines, l), l.ID
			}
		}
		return lines, s.deployment.latest().agentID != id
	}
	if !r.URL.Query().Has("follow") {
		lines, _ := fresh()
		writeJSON(w, http.StatusOK, lines)
		return
	}
	s.stream(w, r, func(send func(any) error) (bool, error) {
		lines, replaced := fresh()
		if first || len(lines) > 0 { // the backlog is sent even when empty
			first = false
			if err := send(lines); err != nil {
				return false, err
			}
		}
		return replaced, nil
	})
}

// stream upgrades to a websocket and calls step at once and after every change, until step says it is done.
func (s *restServer) stream(w http.ResponseWriter, r *http.Request, step func(send func(any) error) (done bool, err error)) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	changes, cancel := s.deployment.subscribe()
	defer cancel()
	ctx := conn.CloseRead(r.Context())
	go pingWebsocket(ctx, conn)
	send := func(body any) error {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		return conn.Write(ctx, websocket.MessageText, raw)
	}
	for {
		done, err := step(send)
		if err != nil {
			return
		}
		if done {
			conn.Close(websocket.StatusNormalClosure, "done")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		}
	}
}
