// The deployment's state: one user, one template, one workspace with its builds and its agent. Everything REST
// shows comes from here, in the JSON shape of Coder v2.36, agents in that of their server's release; watchers are told of every change.

package main

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"
)

const (
	ownerName     = "tester"
	workspaceName = "dev"
	agentName     = "main"
	templateName  = "peer"
)

// jobTime is how long a build job takes; long enough for a client to see it running.
const jobTime = 200 * time.Millisecond

type object = map[string]any

type buildLog struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Source    string    `json:"log_source"`
	Level     string    `json:"log_level"`
	Stage     string    `json:"stage"`
	Output    string    `json:"output"`
}

type agentLog struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Output    string    `json:"output"`
	Level     string    `json:"level"`
	SourceID  uuid      `json:"source_id"`
}

type build struct {
	id, jobID, resourceID uuid
	agentID               uuid // zero when the build has none
	number                int
	transition            string // start or stop
	reason                string
	jobStatus             string // running, succeeded
	created, updated      time.Time
	logs                  []buildLog
}

type deployment struct {
	url   string
	token string

	release, agentRelease      release
	buildVersion, agentVersion string

	deploymentID, userID, organizationID, templateID, versionID, workspaceID, logSourceID uuid

	mu           sync.Mutex
	builds       []*build
	agentUp      bool
	agentStarted time.Time
	agentLost    time.Time
	lifecycle    string
	agentLogs    []agentLog
	logID        int64
	usage        int
	requests     map[string]int
	subscribers  map[chan struct{}]struct{}
}

func newDeployment(token string, server, agent release) *deployment {
	d := &deployment{
		token:        token,
		release:      server,
		agentRelease: agent,
		buildVersion: server.String() + "+peer",
		agentVersion: agent.String() + "+peer",
		deploymentID: newUUID(), userID: newUUID(), organizationID: newUUID(), templateID: newUUID(),
		versionID: newUUID(), workspaceID: newUUID(), logSourceID: newUUID(),
		lifecycle:   "created",
		requests:    map[string]int{},
		subscribers: map[chan struct{}]struct{}{},
	}
	return d
}

// changed wakes all watchers. d.mu must be held.
func (d *deployment) changed() {
	for s := range d.subscribers {
		select {
		case s <- struct{}{}:
		default: // it has not looked since the last change
		}
	}
}

// subscribe returns a channel that holds a token after every change, and the way out.
func (d *deployment) subscribe() (changes <-chan struct{}, cancel func()) {
	s := make(chan struct{}, 1)
	d.mu.Lock()
	d.subscribers[s] = struct{}{}
	d.mu.Unlock()
	return s, func() {
		d.mu.Lock()
		delete(d.subscribers, s)
		d.mu.Unlock()
	}
}

func (d *deployment) latest() *build { return d.builds[len(d.builds)-1] }

// beginBuild adds a build whose job is running; nil when one is running already.
func (d *deployment) beginBuild(transition, reason string) *build {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.builds) > 0 && d.latest().jobStatus != "succeeded" {
		return nil
	}
	now := time.Now()
	b := &build{
		id: newUUID(), jobID: newUUID(), resourceID: newUUID(), number: len(d.builds) + 1,
		transition: transition, reason: reason, jobStatus: "running", created: now, updated: now,
	}
	d.builds = append(d.builds, b)
	d.logBuild(b, "Setting up")
	if transition == "start" {
		d.logBuild(b, "Starting workspace")
	} else {
		d.logBuild(b, "Stopping workspace")
	}
	d.changed()
	return b
}

// finishBuild ends the job. A start build gets its agent's id with it.
func (d *deployment) finishBuild(b *build, agentID uuid) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logBuild(b, "Cleaning Up")
	b.jobStatus, b.agentID, b.updated = "succeeded", agentID, time.Now()
	d.agentUp, d.lifecycle = false, "created"
	d.agentLogs = nil
	d.changed()
}

func (d *deployment) logBuild(b *build, stage string) {
	d.logID++
	b.logs = append(b.logs, buildLog{
		ID: d.logID, CreatedAt: time.Now(), Source: "provisioner_daemon", Level: "info", Stage: stage,
	})
}

func (d *deployment) setAgentUp(up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.agentUp = up
	if up {
		d.agentStarted, d.lifecycle = time.Now(), "ready"
	} else {
		d.agentLost = time.Now()
	}
	d.changed()
}

func (d *deployment) setLifecycle(state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lifecycle = state
	d.changed()
}

func (d *deployment) logAgent(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logID++
	d.agentLogs = append(d.agentLogs, agentLog{
		ID: d.logID, CreatedAt: time.Now(), Output: text, Level: "info", SourceID: d.logSourceID,
	})
	d.changed()
}

// count notes a request for the statistics.
func (d *deployment) count(r *http.Request, pattern string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests[r.Method+" "+pattern]++
}

// The JSON shapes below expect d.mu to be held.

func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC()
}

func (d *deployment) userJSON() object {
	started := d.builds[0].created.UTC()
	return object{
		"id": d.userID, "username": ownerName, "name": "Tester", "email": "tester@example.com",
		"created_at": started, "updated_at": started, "last_seen_at": time.Now().UTC(),
		"status": "active", "login_type": "password", "organization_ids": []uuid{d.organizationID},
		"roles": []object{{"name": "owner", "display_name": "Owner"}}, "has_ai_seat": false,
	}
}

func (d *deployment) agentJSON(b *build) object {
	status, healthy := "connected", object{"healthy": true}
	switch {
	case d.agentUp:
	case d.agentLost.Before(b.updated):
		status, healthy = "connecting", object{"healthy": false, "reason": "agent has not yet connected"}
	default:
		status, healthy = "disconnected", object{"healthy": false, "reason": "agent has lost connection"}
	}
	var size int
	for _, l := range d.agentLogs {
		size += len(l.Output)
	}
	a := object{
		"id": b.agentID, "parent_id": nil, "created_at": b.updated.UTC(), "updated_at": time.Now().UTC(),
		"status": status, "lifecycle_state": d.lifecycle, "name": agentName, "resource_id": b.resourceID,
		"architecture": runtime.GOARCH, "environment_variables": nil, "operating_system": runtime.GOOS,
		"logs_length": size, "logs_overflowed": false, "version": d.agentVersion,
		"api_version": fmt.Sprintf("%d.%d", tailnetAPIMajor, d.agentRelease.apiMinor()), "apps": []any{},
		"connection_timeout_seconds": 0,
		"troubleshooting_url":        "https://coder.com/docs/admin/templates/troubleshooting",
		"subsystems":                 []any{}, "health": healthy,
		"display_apps": []string{"vscode", "ssh_helper", "port_forwarding_helper", "web_terminal"},
		"log_sources": []object{{
			"workspace_agent_id": b.agentID, "id": d.logSourceID, "created_at": b.updated.UTC(),
			"display_name": "Startup", "icon": "",
		}},
		"scripts": []any{}, "startup_script_behavior": "non-blocking",
	}
	if status != "connecting" {
		a["first_connected_at"], a["last_connected_at"] = d.agentStarted.UTC(), time.Now().UTC()
		a["started_at"], a["ready_at"] = d.agentStarted.UTC(), d.agentStarted.UTC()
		a["latency"] = object{"Coder Embedded Relay": object{"preferred": true, "latency_ms": 0.4}}
	}
	if status == "disconnected" {
		a["disconnected_at"], a["last_connected_at"] = d.agentLost.UTC(), d.agentLost.UTC()
	}
	d.ageAgent(a)
	return a
}

// ageAgent takes from an agent what the server is too old to tell, and adds what only such servers told.
func (d *deployment) ageAgent(a object) {
	if !d.release.has(watchByWebsocket) {
		delete(a, "parent_id")
	}
	if !d.release.has(dRPCCoordination) {
		a["api_version"] = "1.0"
	}
	if !d.release.has(severalScripts) {
		delete(a, "scripts")
		delete(a, "log_sources")
	}
	if d.release.has(newAgentRoutes) {
		return
	}
	a["startup_logs_length"], a["startup_logs_overflowed"] = a["logs_length"], a["logs_overflowed"]
	a["login_before_ready"], a["startup_script_timeout_seconds"], a["shutdown_script_timeout_seconds"] = true, 60, 0
	a["subsystem"] = "none"
	for _, name := range []string{
		"logs_length", "logs_overflowed", "api_version", "started_at", "ready_at", "health", "display_apps", "subsystems",
	} {
		delete(a, name)
	}
}

func (d *deployment) jobJSON(b *build) object {
	j := object{
		"id": b.jobID, "created_at": b.created.UTC(), "started_at": b.created.UTC(), "status": b.jobStatus,
		"worker_id": d.deploymentID, "file_id": d.templateID, "tags": object{"owner": "", "scope": "organization"},
		"queue_position": 0, "queue_size": 0, "organization_id": d.organizationID, "initiator_id": d.userID,
		"input": object{"workspace_build_id": b.id}, "type": "workspace_build",
		"metadata": object{
			"template_version_name": "", "template_id": uuid{}, "template_name": "", "template_display_name": "", "template_icon": "",
		},
		"logs_overflowed": false,
	}
	if b.jobStatus == "succeeded" {
		j["completed_at"] = b.updated.UTC()
	}
	return j
}

func (b *build) status() string {
	words := map[string]string{
		"start running": "starting", "start succeeded": "running", "stop running": "stopping", "stop succeeded": "stopped",
	}
	return words[b.transition+" "+b.jobStatus]
}

func (d *deployment) buildJSON(b *build) object {
	resources := []object{}
	if b.agentID != (uuid{}) {
		resources = append(resources, object{
			"id": b.resourceID, "created_at": b.updated.UTC(), "job_id": b.jobID, "workspace_transition": b.transition,
			"type": "peer_process", "name": "box", "hide": false, "icon": "", "agents": []object{d.agentJSON(b)}, "daily_cost": 0,
		})
	}
	return object{
		"id": b.id, "created_at": b.created.UTC(), "updated_at": b.updated.UTC(), "workspace_id": d.workspaceID,
		"workspace_name": workspaceName, "workspace_owner_id": d.userID, "workspace_owner_name": ownerName,
		"template_version_id": d.versionID, "template_version_name": "first", "build_number": b.number,
		"transition": b.transition, "initiator_id": d.userID, "initiator_name": ownerName, "job": d.jobJSON(b),
		"reason": b.reason, "resources": resources, "deadline": nil, "max_deadline": nil, "status": b.status(),
		"daily_cost": 0, "matched_provisioners": object{"count": 0, "available": 0, "most_recently_seen": nil},
		"template_version_preset_id": nil, "has_ai_task": false, "has_external_agent": false,
	}
}

func (d *deployment) workspaceJSON() object {
	b := d.latest()
	healthy, failing := true, []uuid{}
	if b.agentID != (uuid{}) && !d.agentUp && d.agentLost.After(b.updated) {
		healthy, failing = false, []uuid{b.agentID}
	}
	return object{
		"id": d.workspaceID, "created_at": d.builds[0].created.UTC(), "updated_at": d.builds[0].created.UTC(),
		"owner_id": d.userID, "owner_name": ownerName, "owner_avatar_url": "", "organization_id": d.organizationID,
		"organization_name": "coder", "template_id": d.templateID, "template_name": templateName,
		"template_display_name": "", "template_icon": "", "template_allow_user_cancel_workspace_jobs": false,
		"template_active_version_id": d.versionID, "template_require_active_version": false,
		"template_use_classic_parameter_flow": false, "latest_build": d.buildJSON(b), "latest_app_status": nil,
		"outdated": false, "name": workspaceName, "last_used_at": time.Now().UTC(), "deleting_at": nil, "dormant_at": nil,
		"health": object{"healthy": healthy, "failing_agents": failing}, "automatic_updates": "never",
		"allow_renames": false, "favorite": false, "next_start_at": nil, "is_prebuild": false, "task_id": nil,
	}
}

func (d *deployment) templateVersionJSON() object {
	first := d.builds[0]
	job := d.jobJSON(first)
	job["status"], job["type"], job["input"] = "succeeded", "template_version_import", object{"template_version_id": d.versionID}
	job["completed_at"] = first.created.UTC()
	return object{
		"id": d.versionID, "template_id": d.templateID, "organization_id": d.organizationID,
		"created_at": first.created.UTC(), "updated_at": first.created.UTC(), "name": "first", "message": "", "job": job,
		"readme": "", "created_by": object{"id": d.userID, "username": ownerName, "name": "Tester"},
		"archived": false, "has_external_agent": false,
	}
}

func (d *deployment) templateJSON() object {
	created := d.builds[0].created.UTC()
	return object{
		"id": d.templateID, "created_at": created, "updated_at": created, "organization_id": d.organizationID,
		"organization_name": "coder", "name": templateName, "display_name": "", "provisioner": "echo",
		"active_version_id": d.versionID, "deprecated": false, "deprecation_message": "", "deleted": false,
		"require_active_version": false, "use_classic_parameter_flow": false,
		"created_by_id": d.userID, "created_by_name": ownerName,
	}
}
