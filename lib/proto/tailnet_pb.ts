/** Generated from `tailnet.proto` by `deno task generate`; do not edit. */
import { ProtobufReader } from "./reader.ts";
import { ProtobufWriter } from "./writer.ts";

const EMPTY = new Uint8Array(0);

export const CoordinateResponse_PeerUpdate_Kind = {
  KIND_UNSPECIFIED: 0,
  NODE: 1,
  DISCONNECTED: 2,
  LOST: 3,
  READY_FOR_HANDSHAKE: 4,
} as const;
export type CoordinateResponse_PeerUpdate_Kind = typeof CoordinateResponse_PeerUpdate_Kind[keyof typeof CoordinateResponse_PeerUpdate_Kind];

export interface Duration {
  seconds: bigint;
  nanos: number;
}

export function createDuration(init: Partial<Duration> = {}): Duration {
  return { seconds: 0n, nanos: 0, ...init };
}

function writeDuration(w: ProtobufWriter, m: Duration): void {
  if (m.seconds !== 0n) w.int64(1, m.seconds);
  if (m.nanos !== 0) w.int32(2, m.nanos);
}

function readDuration(r: ProtobufReader, m: Duration): void {
  while (r.next()) {
    switch (r.tag) {
      case 8:
        m.seconds = r.int64();
        break;
      case 16:
        m.nanos = r.int32();
        break;
      default:
        r.skip();
    }
  }
}

export interface Timestamp {
  seconds: bigint;
  nanos: number;
}

export function createTimestamp(init: Partial<Timestamp> = {}): Timestamp {
  return { seconds: 0n, nanos: 0, ...init };
}

function writeTimestamp(w: ProtobufWriter, m: Timestamp): void {
  if (m.seconds !== 0n) w.int64(1, m.seconds);
  if (m.nanos !== 0) w.int32(2, m.nanos);
}

function readTimestamp(r: ProtobufReader, m: Timestamp): void {
  while (r.next()) {
    switch (r.tag) {
      case 8:
        m.seconds = r.int64();
        break;
      case 16:
        m.nanos = r.int32();
        break;
      default:
        r.skip();
    }
  }
}

/** Which relays exist. Maps are whole: a region that is missing is gone. */
export interface DERPMap {
  /** Servers must set this even when it is empty: Go clients follow the pointer. */
  homeParams: DERPMap_HomeParams | undefined;
  regions: Map<bigint, DERPMap_Region>;
}

export function createDERPMap(init: Partial<DERPMap> = {}): DERPMap {
  return { homeParams: undefined, regions: new Map(), ...init };
}

export function encodeDERPMap(message: DERPMap): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeDERPMap(w, message);
  return w.finish();
}

export function decodeDERPMap(bytes: Uint8Array): DERPMap {
  const message = createDERPMap();
  readDERPMap(new ProtobufReader(bytes), message);
  return message;
}

function writeDERPMap(w: ProtobufWriter, m: DERPMap): void {
  if (m.homeParams !== undefined) { const v = m.homeParams; w.message(1, (w) => writeDERPMap_HomeParams(w, v)); }
  for (const [key, value] of m.regions) w.message(2, (w) => { w.int64(1, key); w.message(2, (w) => writeDERPMap_Region(w, value)); });
}

function readDERPMap(r: ProtobufReader, m: DERPMap): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        {
          const value = m.homeParams ??= createDERPMap_HomeParams();
          r.message(() => readDERPMap_HomeParams(r, value));
        }
        break;
      case 18:
        r.message(() => {
          let key = 0n;
          const value = createDERPMap_Region();
          while (r.next()) {
            switch (r.tag) {
              case 8:
                key = r.int64();
                break;
              case 18:
                r.message(() => readDERPMap_Region(r, value));
                break;
              default:
                r.skip();
            }
          }
          m.regions.set(key, value);
        });
        break;
      default:
        r.skip();
    }
  }
}

export interface DERPMap_HomeParams {
  /** Region id to the factor that multiplies its measured latency. */
  regionScore: Map<bigint, number>;
}

export function createDERPMap_HomeParams(init: Partial<DERPMap_HomeParams> = {}): DERPMap_HomeParams {
  return { regionScore: new Map(), ...init };
}

function writeDERPMap_HomeParams(w: ProtobufWriter, m: DERPMap_HomeParams): void {
  for (const [key, value] of m.regionScore) w.message(1, (w) => { w.int64(1, key); w.double(2, value); });
}

function readDERPMap_HomeParams(r: ProtobufReader, m: DERPMap_HomeParams): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        r.message(() => {
          let key = 0n;
          let value = 0;
          while (r.next()) {
            switch (r.tag) {
              case 8:
                key = r.int64();
                break;
              case 17:
                value = r.double();
                break;
              default:
                r.skip();
            }
          }
          m.regionScore.set(key, value);
        });
        break;
      default:
        r.skip();
    }
  }
}

export interface DERPMap_Region {
  regionId: bigint;
  /** The deployment's own relay, reached at whatever URL the user has for the deployment. */
  embeddedRelay: boolean;
  regionCode: string;
  regionName: string;
  avoid: boolean;
  nodes: DERPMap_Region_Node[];
}

export function createDERPMap_Region(init: Partial<DERPMap_Region> = {}): DERPMap_Region {
  return { regionId: 0n, embeddedRelay: false, regionCode: "", regionName: "", avoid: false, nodes: [], ...init };
}

function writeDERPMap_Region(w: ProtobufWriter, m: DERPMap_Region): void {
  if (m.regionId !== 0n) w.int64(1, m.regionId);
  if (m.embeddedRelay) w.bool(2, m.embeddedRelay);
  if (m.regionCode !== "") w.string(3, m.regionCode);
  if (m.regionName !== "") w.string(4, m.regionName);
  if (m.avoid) w.bool(5, m.avoid);
  for (const v of m.nodes) w.message(6, (w) => writeDERPMap_Region_Node(w, v));
}

function readDERPMap_Region(r: ProtobufReader, m: DERPMap_Region): void {
  while (r.next()) {
    switch (r.tag) {
      case 8:
        m.regionId = r.int64();
        break;
      case 16:
        m.embeddedRelay = r.bool();
        break;
      case 26:
        m.regionCode = r.string();
        break;
      case 34:
        m.regionName = r.string();
        break;
      case 40:
        m.avoid = r.bool();
        break;
      case 50:
        {
          const value = createDERPMap_Region_Node();
          r.message(() => readDERPMap_Region_Node(r, value));
          m.nodes.push(value);
        }
        break;
      default:
        r.skip();
    }
  }
}

export interface DERPMap_Region_Node {
  name: string;
  regionId: bigint;
  hostName: string;
  /** Expected certificate name where it differs from host_name. */
  certName: string;
  /** Literal to dial instead of asking DNS; any text that is no address forbids the family. */
  ipv4: string;
  ipv6: string;
  /** 0 stands for 3478, -1 for no STUN. */
  stunPort: number;
  stunOnly: boolean;
  /** 0 stands for 443. */
  derpPort: number;
  insecureForTests: boolean;
  forceHttp: boolean;
  stunTestIp: string;
  canPort80: boolean;
}

export function createDERPMap_Region_Node(init: Partial<DERPMap_Region_Node> = {}): DERPMap_Region_Node {
  return { name: "", regionId: 0n, hostName: "", certName: "", ipv4: "", ipv6: "", stunPort: 0, stunOnly: false, derpPort: 0, insecureForTests: false, forceHttp: false, stunTestIp: "", canPort80: false, ...init };
}

function writeDERPMap_Region_Node(w: ProtobufWriter, m: DERPMap_Region_Node): void {
  if (m.name !== "") w.string(1, m.name);
  if (m.regionId !== 0n) w.int64(2, m.regionId);
  if (m.hostName !== "") w.string(3, m.hostName);
  if (m.certName !== "") w.string(4, m.certName);
  if (m.ipv4 !== "") w.string(5, m.ipv4);
  if (m.ipv6 !== "") w.string(6, m.ipv6);
  if (m.stunPort !== 0) w.int32(7, m.stunPort);
  if (m.stunOnly) w.bool(8, m.stunOnly);
  if (m.derpPort !== 0) w.int32(9, m.derpPort);
  if (m.insecureForTests) w.bool(10, m.insecureForTests);
  if (m.forceHttp) w.bool(11, m.forceHttp);
  if (m.stunTestIp !== "") w.string(12, m.stunTestIp);
  if (m.canPort80) w.bool(13, m.canPort80);
}

function readDERPMap_Region_Node(r: ProtobufReader, m: DERPMap_Region_Node): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        m.name = r.string();
        break;
      case 16:
        m.regionId = r.int64();
        break;
      case 26:
        m.hostName = r.string();
        break;
      case 34:
        m.certName = r.string();
        break;
      case 42:
        m.ipv4 = r.string();
        break;
      case 50:
        m.ipv6 = r.string();
        break;
      case 56:
        m.stunPort = r.int32();
        break;
      case 64:
        m.stunOnly = r.bool();
        break;
      case 72:
        m.derpPort = r.int32();
        break;
      case 80:
        m.insecureForTests = r.bool();
        break;
      case 88:
        m.forceHttp = r.bool();
        break;
      case 98:
        m.stunTestIp = r.string();
        break;
      case 104:
        m.canPort80 = r.bool();
        break;
      default:
        r.skip();
    }
  }
}

export interface StreamDERPMapsRequest {
}

export function createStreamDERPMapsRequest(init: Partial<StreamDERPMapsRequest> = {}): StreamDERPMapsRequest {
  return { ...init };
}

export function encodeStreamDERPMapsRequest(message: StreamDERPMapsRequest): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeStreamDERPMapsRequest(w, message);
  return w.finish();
}

export function decodeStreamDERPMapsRequest(bytes: Uint8Array): StreamDERPMapsRequest {
  const message = createStreamDERPMapsRequest();
  readStreamDERPMapsRequest(new ProtobufReader(bytes), message);
  return message;
}

function writeStreamDERPMapsRequest(_w: ProtobufWriter, _m: StreamDERPMapsRequest): void {
}

function readStreamDERPMapsRequest(r: ProtobufReader, _m: StreamDERPMapsRequest): void {
  while (r.next()) r.skip();
}

/** One end of a tunnel, as it announces itself. */
export interface Node {
  id: bigint;
  asOf: Timestamp | undefined;
  /** "np" and the 32 bytes of the WireGuard public key. */
  key: Uint8Array;
  /** Text: "discokey:" and 64 hexadecimal digits. */
  disco: string;
  /** Home region; a node with 0 is not usable yet. */
  preferredDerp: number;
  /** "<region>-v4" or "<region>-v6" to seconds. */
  derpLatency: Map<string, number>;
  /** Region id to the reason why its relay is used over websockets. */
  derpForcedWebsocket: Map<number, string>;
  addresses: string[];
  allowedIps: string[];
  /** "ip:port" where UDP may reach the node. */
  endpoints: string[];
}

export function createNode(init: Partial<Node> = {}): Node {
  return { id: 0n, asOf: undefined, key: EMPTY, disco: "", preferredDerp: 0, derpLatency: new Map(), derpForcedWebsocket: new Map(), addresses: [], allowedIps: [], endpoints: [], ...init };
}

export function encodeNode(message: Node): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeNode(w, message);
  return w.finish();
}

export function decodeNode(bytes: Uint8Array): Node {
  const message = createNode();
  readNode(new ProtobufReader(bytes), message);
  return message;
}

function writeNode(w: ProtobufWriter, m: Node): void {
  if (m.id !== 0n) w.int64(1, m.id);
  if (m.asOf !== undefined) { const v = m.asOf; w.message(2, (w) => writeTimestamp(w, v)); }
  if (m.key.length > 0) w.bytes(3, m.key);
  if (m.disco !== "") w.string(4, m.disco);
  if (m.preferredDerp !== 0) w.int32(5, m.preferredDerp);
  for (const [key, value] of m.derpLatency) w.message(6, (w) => { w.string(1, key); w.double(2, value); });
  for (const [key, value] of m.derpForcedWebsocket) w.message(7, (w) => { w.int32(1, key); w.string(2, value); });
  for (const v of m.addresses) w.string(8, v);
  for (const v of m.allowedIps) w.string(9, v);
  for (const v of m.endpoints) w.string(10, v);
}

function readNode(r: ProtobufReader, m: Node): void {
  while (r.next()) {
    switch (r.tag) {
      case 8:
        m.id = r.int64();
        break;
      case 18:
        {
          const value = m.asOf ??= createTimestamp();
          r.message(() => readTimestamp(r, value));
        }
        break;
      case 26:
        m.key = r.bytes();
        break;
      case 34:
        m.disco = r.string();
        break;
      case 40:
        m.preferredDerp = r.int32();
        break;
      case 50:
        r.message(() => {
          let key = "";
          let value = 0;
          while (r.next()) {
            switch (r.tag) {
              case 10:
                key = r.string();
                break;
              case 17:
                value = r.double();
                break;
              default:
                r.skip();
            }
          }
          m.derpLatency.set(key, value);
        });
        break;
      case 58:
        r.message(() => {
          let key = 0;
          let value = "";
          while (r.next()) {
            switch (r.tag) {
              case 8:
                key = r.int32();
                break;
              case 18:
                value = r.string();
                break;
              default:
                r.skip();
            }
          }
          m.derpForcedWebsocket.set(key, value);
        });
        break;
      case 66:
        m.addresses.push(r.string());
        break;
      case 74:
        m.allowedIps.push(r.string());
        break;
      case 82:
        m.endpoints.push(r.string());
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateRequest {
  updateSelf: CoordinateRequest_UpdateSelf | undefined;
  disconnect: CoordinateRequest_Disconnect | undefined;
  addTunnel: CoordinateRequest_Tunnel | undefined;
  removeTunnel: CoordinateRequest_Tunnel | undefined;
  /** Only agents may send it. */
  readyForHandshake: CoordinateRequest_ReadyForHandshake[];
}

export function createCoordinateRequest(init: Partial<CoordinateRequest> = {}): CoordinateRequest {
  return { updateSelf: undefined, disconnect: undefined, addTunnel: undefined, removeTunnel: undefined, readyForHandshake: [], ...init };
}

export function encodeCoordinateRequest(message: CoordinateRequest): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeCoordinateRequest(w, message);
  return w.finish();
}

export function decodeCoordinateRequest(bytes: Uint8Array): CoordinateRequest {
  const message = createCoordinateRequest();
  readCoordinateRequest(new ProtobufReader(bytes), message);
  return message;
}

function writeCoordinateRequest(w: ProtobufWriter, m: CoordinateRequest): void {
  if (m.updateSelf !== undefined) { const v = m.updateSelf; w.message(1, (w) => writeCoordinateRequest_UpdateSelf(w, v)); }
  if (m.disconnect !== undefined) { const v = m.disconnect; w.message(2, (w) => writeCoordinateRequest_Disconnect(w, v)); }
  if (m.addTunnel !== undefined) { const v = m.addTunnel; w.message(3, (w) => writeCoordinateRequest_Tunnel(w, v)); }
  if (m.removeTunnel !== undefined) { const v = m.removeTunnel; w.message(4, (w) => writeCoordinateRequest_Tunnel(w, v)); }
  for (const v of m.readyForHandshake) w.message(5, (w) => writeCoordinateRequest_ReadyForHandshake(w, v));
}

function readCoordinateRequest(r: ProtobufReader, m: CoordinateRequest): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        {
          const value = m.updateSelf ??= createCoordinateRequest_UpdateSelf();
          r.message(() => readCoordinateRequest_UpdateSelf(r, value));
        }
        break;
      case 18:
        {
          const value = m.disconnect ??= createCoordinateRequest_Disconnect();
          r.message(() => readCoordinateRequest_Disconnect(r, value));
        }
        break;
      case 26:
        {
          const value = m.addTunnel ??= createCoordinateRequest_Tunnel();
          r.message(() => readCoordinateRequest_Tunnel(r, value));
        }
        break;
      case 34:
        {
          const value = m.removeTunnel ??= createCoordinateRequest_Tunnel();
          r.message(() => readCoordinateRequest_Tunnel(r, value));
        }
        break;
      case 42:
        {
          const value = createCoordinateRequest_ReadyForHandshake();
          r.message(() => readCoordinateRequest_ReadyForHandshake(r, value));
          m.readyForHandshake.push(value);
        }
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateRequest_UpdateSelf {
  node: Node | undefined;
}

export function createCoordinateRequest_UpdateSelf(init: Partial<CoordinateRequest_UpdateSelf> = {}): CoordinateRequest_UpdateSelf {
  return { node: undefined, ...init };
}

function writeCoordinateRequest_UpdateSelf(w: ProtobufWriter, m: CoordinateRequest_UpdateSelf): void {
  if (m.node !== undefined) { const v = m.node; w.message(1, (w) => writeNode(w, v)); }
}

function readCoordinateRequest_UpdateSelf(r: ProtobufReader, m: CoordinateRequest_UpdateSelf): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        {
          const value = m.node ??= createNode();
          r.message(() => readNode(r, value));
        }
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateRequest_Disconnect {
}

export function createCoordinateRequest_Disconnect(init: Partial<CoordinateRequest_Disconnect> = {}): CoordinateRequest_Disconnect {
  return { ...init };
}

function writeCoordinateRequest_Disconnect(_w: ProtobufWriter, _m: CoordinateRequest_Disconnect): void {
}

function readCoordinateRequest_Disconnect(r: ProtobufReader, _m: CoordinateRequest_Disconnect): void {
  while (r.next()) r.skip();
}

export interface CoordinateRequest_Tunnel {
  /** A UUID as 16 bytes. */
  id: Uint8Array;
}

export function createCoordinateRequest_Tunnel(init: Partial<CoordinateRequest_Tunnel> = {}): CoordinateRequest_Tunnel {
  return { id: EMPTY, ...init };
}

function writeCoordinateRequest_Tunnel(w: ProtobufWriter, m: CoordinateRequest_Tunnel): void {
  if (m.id.length > 0) w.bytes(1, m.id);
}

function readCoordinateRequest_Tunnel(r: ProtobufReader, m: CoordinateRequest_Tunnel): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        m.id = r.bytes();
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateRequest_ReadyForHandshake {
  id: Uint8Array;
}

export function createCoordinateRequest_ReadyForHandshake(init: Partial<CoordinateRequest_ReadyForHandshake> = {}): CoordinateRequest_ReadyForHandshake {
  return { id: EMPTY, ...init };
}

function writeCoordinateRequest_ReadyForHandshake(w: ProtobufWriter, m: CoordinateRequest_ReadyForHandshake): void {
  if (m.id.length > 0) w.bytes(1, m.id);
}

function readCoordinateRequest_ReadyForHandshake(r: ProtobufReader, m: CoordinateRequest_ReadyForHandshake): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        m.id = r.bytes();
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateResponse {
  peerUpdates: CoordinateResponse_PeerUpdate[];
  error: string;
}

export function createCoordinateResponse(init: Partial<CoordinateResponse> = {}): CoordinateResponse {
  return { peerUpdates: [], error: "", ...init };
}

export function encodeCoordinateResponse(message: CoordinateResponse): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeCoordinateResponse(w, message);
  return w.finish();
}

export function decodeCoordinateResponse(bytes: Uint8Array): CoordinateResponse {
  const message = createCoordinateResponse();
  readCoordinateResponse(new ProtobufReader(bytes), message);
  return message;
}

function writeCoordinateResponse(w: ProtobufWriter, m: CoordinateResponse): void {
  for (const v of m.peerUpdates) w.message(1, (w) => writeCoordinateResponse_PeerUpdate(w, v));
  if (m.error !== "") w.string(2, m.error);
}

function readCoordinateResponse(r: ProtobufReader, m: CoordinateResponse): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        {
          const value = createCoordinateResponse_PeerUpdate();
          r.message(() => readCoordinateResponse_PeerUpdate(r, value));
          m.peerUpdates.push(value);
        }
        break;
      case 18:
        m.error = r.string();
        break;
      default:
        r.skip();
    }
  }
}

export interface CoordinateResponse_PeerUpdate {
  id: Uint8Array;
  node: Node | undefined;
  kind: number;
  reason: string;
}

export function createCoordinateResponse_PeerUpdate(init: Partial<CoordinateResponse_PeerUpdate> = {}): CoordinateResponse_PeerUpdate {
  return { id: EMPTY, node: undefined, kind: 0, reason: "", ...init };
}

function writeCoordinateResponse_PeerUpdate(w: ProtobufWriter, m: CoordinateResponse_PeerUpdate): void {
  if (m.id.length > 0) w.bytes(1, m.id);
  if (m.node !== undefined) { const v = m.node; w.message(2, (w) => writeNode(w, v)); }
  if (m.kind !== 0) w.int32(3, m.kind);
  if (m.reason !== "") w.string(4, m.reason);
}

function readCoordinateResponse_PeerUpdate(r: ProtobufReader, m: CoordinateResponse_PeerUpdate): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        m.id = r.bytes();
        break;
      case 18:
        {
          const value = m.node ??= createNode();
          r.message(() => readNode(r, value));
        }
        break;
      case 24:
        m.kind = r.int32();
        break;
      case 34:
        m.reason = r.string();
        break;
      default:
        r.skip();
    }
  }
}

export interface RefreshResumeTokenRequest {
}

export function createRefreshResumeTokenRequest(init: Partial<RefreshResumeTokenRequest> = {}): RefreshResumeTokenRequest {
  return { ...init };
}

export function encodeRefreshResumeTokenRequest(message: RefreshResumeTokenRequest): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeRefreshResumeTokenRequest(w, message);
  return w.finish();
}

export function decodeRefreshResumeTokenRequest(bytes: Uint8Array): RefreshResumeTokenRequest {
  const message = createRefreshResumeTokenRequest();
  readRefreshResumeTokenRequest(new ProtobufReader(bytes), message);
  return message;
}

function writeRefreshResumeTokenRequest(_w: ProtobufWriter, _m: RefreshResumeTokenRequest): void {
}

function readRefreshResumeTokenRequest(r: ProtobufReader, _m: RefreshResumeTokenRequest): void {
  while (r.next()) r.skip();
}

export interface RefreshResumeTokenResponse {
  token: string;
  refreshIn: Duration | undefined;
  expiresAt: Timestamp | undefined;
}

export function createRefreshResumeTokenResponse(init: Partial<RefreshResumeTokenResponse> = {}): RefreshResumeTokenResponse {
  return { token: "", refreshIn: undefined, expiresAt: undefined, ...init };
}

export function encodeRefreshResumeTokenResponse(message: RefreshResumeTokenResponse): Uint8Array<ArrayBuffer> {
  const w = new ProtobufWriter();
  writeRefreshResumeTokenResponse(w, message);
  return w.finish();
}

export function decodeRefreshResumeTokenResponse(bytes: Uint8Array): RefreshResumeTokenResponse {
  const message = createRefreshResumeTokenResponse();
  readRefreshResumeTokenResponse(new ProtobufReader(bytes), message);
  return message;
}

function writeRefreshResumeTokenResponse(w: ProtobufWriter, m: RefreshResumeTokenResponse): void {
  if (m.token !== "") w.string(1, m.token);
  if (m.refreshIn !== undefined) { const v = m.refreshIn; w.message(2, (w) => writeDuration(w, v)); }
  if (m.expiresAt !== undefined) { const v = m.expiresAt; w.message(3, (w) => writeTimestamp(w, v)); }
}

function readRefreshResumeTokenResponse(r: ProtobufReader, m: RefreshResumeTokenResponse): void {
  while (r.next()) {
    switch (r.tag) {
      case 10:
        m.token = r.string();
        break;
      case 18:
        {
          const value = m.refreshIn ??= createDuration();
          r.message(() => readDuration(r, value));
        }
        break;
      case 26:
        {
          const value = m.expiresAt ??= createTimestamp();
          r.message(() => readTimestamp(r, value));
        }
        break;
      default:
        r.skip();
    }
  }
}
