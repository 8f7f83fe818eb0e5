/** The deployment as a whole and its users (docs/protocol/api.md#deployment-and-users, #connection-information). */
import { failureAnswer, type HttpAnswer, jsonAnswer } from "../http/messages.ts";
import { derpMapToJson } from "../../tailnet/derp_map_json.ts";
import { asOf } from "./ages.ts";
import { tokenOf } from "./auth.ts";
import { type Call, findUser, objectContextOf } from "./deployment.ts";
import { websocketAnswer } from "./follow.ts";
import { userJson } from "./objects.ts";
import type { Route } from "./route.ts";
import { ROUTE_NOT_FOUND } from "./route.ts";

function buildInfo({ deployment }: Call): HttpAnswer {
  const { settings, host, deploymentId } = deployment;
  return jsonAnswer(asOf(settings.version, "buildInfo", {
    external_url: "https://github.com/coder/coder",
    version: settings.version,
    dashboard_url: host.url.origin,
    telemetry: false,
    workspace_proxy: settings.isWorkspaceProxy,
    agent_api_version: "1.0",
    provisioner_api_version: "1.18",
    upgrade_message: settings.upgradeMessage,
    deployment_id: deploymentId,
    webpush_public_key: "",
  }));
}

function appearance({ deployment }: Call): HttpAnswer {
  const { docsUrl } = deployment.settings;
  if (docsUrl === undefined) return ROUTE_NOT_FOUND;
  return jsonAnswer({
    application_name: "",
    logo_url: "",
    docs_url: docsUrl,
    service_banner: { enabled: false },
    announcement_banners: [],
    support_links: [],
  });
}

function entitlements({ deployment }: Call): HttpAnswer {
  const { entitlementWarnings } = deployment.settings;
  if (entitlementWarnings === undefined) return ROUTE_NOT_FOUND;
  return jsonAnswer({
    features: {},
    warnings: entitlementWarnings,
    errors: [],
    has_license: true,
    trial: false,
    require_telemetry: false,
    refreshed_at: new Date(deployment.host.wallMs()).toISOString(),
  });
}

function sshConfig({ deployment }: Call): HttpAnswer {
  const { hostnamePrefix, hostnameSuffix, sshConfigOptions, version } = deployment.settings;
  if (sshConfigOptions === undefined) return ROUTE_NOT_FOUND;
  return jsonAnswer(asOf(version, "sshConfig", {
    hostname_prefix: hostnamePrefix,
    hostname_suffix: hostnameSuffix,
    ssh_config_options: sshConfigOptions,
  }));
}

/** What a client needs to reach agents (codersdk/workspacesdk `AgentConnectionInfo`). */
export function connectionInfo({ deployment }: Call): HttpAnswer {
  const { settings, host } = deployment;
  return jsonAnswer(asOf(settings.version, "connection", {
    derp_map: derpMapToJson(host.coordinator.derpMap),
    derp_force_websockets: settings.forcesWebsocket,
    disable_direct_connections: settings.disablesDirect,
    hostname_suffix: settings.hostnameSuffix,
  }));
}

function firstUser({ deployment }: Call): HttpAnswer {
  const { hasFirstUser, isWorkspaceProxy } = deployment.settings;
  if (isWorkspaceProxy) return ROUTE_NOT_FOUND;
  return hasFirstUser
    ? failureAnswer(200, "The initial user has already been created!")
    : failureAnswer(404, "The initial user has not been created!");
}

function newSession(call: Call): HttpAnswer {
  findUser(call);
  return jsonAnswer({ key: call.deployment.sessions.begin() }, { status: 201 });
}

function logOut({ request, deployment }: Call): HttpAnswer {
  deployment.sessions.end(tokenOf(request, deployment.settings.version));
  return jsonAnswer({ message: "Logged out!" });
}

function user(call: Call): HttpAnswer {
  return jsonAnswer(userJson(findUser(call), objectContextOf(call.deployment)));
}

export const DEPLOYMENT_ROUTES: readonly Route[] = [
  { name: "GET /buildinfo", isOpen: true, handle: buildInfo },
  { name: "GET /appearance", handle: appearance },
  { name: "GET /entitlements", handle: entitlements },
  {
    name: "GET /experiments",
    handle: ({ deployment }) => jsonAnswer(deployment.settings.experiments),
  },
  { name: "GET /deployment/ssh", handle: sshConfig },
  {
    name: "GET /updatecheck",
    isOpen: true,
    handle: ({ deployment }) =>
      jsonAnswer({
        current: true,
        version: deployment.settings.version,
        url: "https://github.com/coder/coder",
      }),
  },
  {
    name: "GET /users/first",
    isOpen: true,
    handle: firstUser,
  },
  {
    name: "GET /regions",
    handle: ({ deployment }) =>
      jsonAnswer({
        regions: [{
          id: deployment.deploymentId,
          name: "primary",
          display_name: "Default",
          icon_url: "/emojis/1f3e1.png",
          healthy: true,
          path_app_url: deployment.host.url.origin,
          wildcard_hostname: "",
        }],
      }),
  },
  { name: "POST /users/logout", handle: logOut },
  { name: "POST /users/{user}/keys", handle: newSession },
  { name: "GET /users/{user}", handle: user },
  {
    name: "GET /derp-map",
    since: "v2.0.0",
    isOpen: true,
    handle: (call) =>
      websocketAnswer(call, (upgraded) => call.deployment.host.coordinator.serveMaps(upgraded)),
  },
  { name: "GET /workspaceagents/connection", since: "v2.0.0", handle: connectionInfo },
];
