/**
 * The server API in Protobuf, wire-compatible with Centrifugo's service `centrifugal.centrifugo.api.CentrifugoApi`. Names are those of
 * the JSON form, so that one object stands for a message in both. What is Carillon's own has numbers from 1000 on, where
 * Centrifugo's will not meet them.
 */
import protobuf from 'protobufjs';

export const SERVICE = 'centrifugal.centrifugo.api.CentrifugoApi';

/** Method → its number in the commands and replies of a batch. */
export const METHOD_NUMBERS: Readonly<Record<string, number>> = {
  publish: 4,
  broadcast: 5,
  subscribe: 6,
  unsubscribe: 7,
  disconnect: 8,
  presence: 9,
  presence_stats: 10,
  history: 11,
  history_remove: 12,
  info: 13,
  rpc: 14,
  refresh: 15,
  channels: 16,
  device_register: 25,
  device_update: 26,
  device_remove: 27,
  device_list: 28,
  device_topic_list: 29,
  device_topic_update: 30,
  user_topic_list: 31,
  user_topic_update: 32,
  send_push_notification: 33,
  update_push_status: 34,
  cancel_push: 35,
  push_status: 1000,
};

const REQUESTS = `
message PublishRequest {
  string channel = 1; bytes data = 2; string b64data = 3; bool skip_history = 4; map<string, string> tags = 5;
  string idempotency_key = 6; bool delta = 7; uint64 version = 8; string version_epoch = 9;
}
message BroadcastRequest {
  repeated string channels = 1; bytes data = 2; string b64data = 3; bool skip_history = 4; map<string, string> tags = 5;
  string idempotency_key = 6; bool delta = 7; uint64 version = 8; string version_epoch = 9;
}
message SubscribeRequest {
  string channel = 1; string user = 2; int64 expire_at = 3; bytes info = 4; string b64info = 5; string client = 6;
  bytes data = 7; string b64data = 8; StreamPosition recover_since = 9; Override override = 10; string session = 11;
}
message UnsubscribeRequest { string channel = 1; string user = 2; string client = 3; string session = 4; }
message DisconnectRequest {
  string user = 1; Disconnect disconnect = 2; string client = 3; repeated string whitelist = 4; string session = 5;
}
message RefreshRequest {
  string user = 1; string client = 2; bool expired = 3; int64 expire_at = 4; bytes info = 5; string session = 6;
}
message PresenceRequest { string channel = 1; }
message PresenceStatsRequest { string channel = 1; }
message HistoryRequest { string channel = 1; int32 limit = 2; StreamPosition since = 3; bool reverse = 4; }
message HistoryRemoveRequest { string channel = 1; }
message InfoRequest {}
message RPCRequest { string method = 1; bytes params = 2; }
message ChannelsRequest { string pattern = 1; }
message DeviceRegisterRequest {
  string id = 1; string provider = 2; string token = 3; string platform = 4; string user = 5; map<string, string> meta = 6;
  repeated string topics = 7; string timezone = 8; string locale = 9; string app = 1000;
}
message DeviceUpdateRequest {
  repeated string ids = 1; repeated string users = 2; UserUpdate user_update = 4; MetaUpdate meta_update = 5;
  TopicsUpdate topics_update = 6; TimezoneUpdate timezone_update = 7; LocaleUpdate locale_update = 8;
}
message DeviceRemoveRequest { repeated string ids = 1; repeated string users = 2; }
message DeviceListRequest {
  DeviceFilter filter = 1; bool include_total_count = 2; bool include_meta = 3; bool include_topics = 4;
  bool include_webpush_keys = 5; string cursor = 10; int32 limit = 11;
}
message DeviceTopicListRequest {
  DeviceTopicFilter filter = 1; bool include_total_count = 2; bool include_device = 3; string cursor = 10; int32 limit = 11;
}
message UserTopicListRequest {
  UserTopicFilter filter = 1; bool include_total_count = 2; string cursor = 10; int32 limit = 11;
}
message DeviceTopicUpdateRequest { string device_id = 1; string op = 2; repeated string topics = 3; string user = 4; }
message UserTopicUpdateRequest { string user = 1; string op = 2; repeated string topics = 3; }
message SendPushNotificationRequest {
  Recipient recipient = 1; Notification notification = 2; string uid = 3; int64 send_at = 4;
  bool optimize_for_reliability = 5; LimitStrategy limit_strategy = 6; string analytics_uid = 7;
  map<string, Localization> localizations = 8; bool use_templating = 9; bool use_meta = 10; string app = 1000;
}
message UpdatePushStatusRequest { string analytics_uid = 1; string status = 2; string device_id = 3; string msg_id = 4; }
message CancelPushRequest { string uid = 1; }
message PushStatusRequest {
  string uid = 1; string analytics_uid = 2; repeated string statuses = 3; string cursor = 4; int32 limit = 5;
}
`;

/** Methods without one here have an empty result. */
const RESULTS = `
message PublishResult { uint64 offset = 1; string epoch = 2; }
message BroadcastResult { repeated PublishResponse responses = 1; }
message PresenceResult { map<string, ClientInfo> presence = 1; }
message PresenceStatsResult { uint32 num_clients = 1; uint32 num_users = 2; }
message HistoryResult { repeated Publication publications = 1; string epoch = 2; uint64 offset = 3; }
message InfoResult { repeated Node nodes = 1; }
message RPCResult { bytes data = 1; }
message ChannelsResult { map<string, ChannelInfo> channels = 1; }
message DeviceRegisterResult { string id = 1; }
message DeviceListResult { repeated Device items = 1; string next_cursor = 2; int64 total_count = 3; }
message DeviceTopicListResult { repeated DeviceTopic items = 1; string next_cursor = 2; int64 total_count = 3; }
message UserTopicListResult { repeated UserTopic items = 1; string next_cursor = 2; int64 total_count = 3; }
message SendPushNotificationResult { string uid = 1; }
message PushStatusResult {
  string uid = 1; string analytics_uid = 2; string state = 3; int64 send_at = 4; int64 expire_at = 5;
  map<string, int64> counts = 6; double sample_rate = 7; repeated StatusItem items = 8;
  repeated StatusItem dead_letters = 9; string next_cursor = 10;
}
`;

const PARTS = `
message Error { uint32 code = 1; string message = 2; }
message StreamPosition { uint64 offset = 1; string epoch = 2; }
message Flag { bool value = 1; }
message Override {
  Flag presence = 1; Flag join_leave = 2; Flag force_recovery = 3; Flag force_positioning = 4; Flag force_push_join_leave = 5;
}
message Disconnect { uint32 code = 1; string reason = 2; }
message ClientInfo { string user = 1; string client = 2; bytes conn_info = 3; bytes chan_info = 4; }
message Publication { bytes data = 2; ClientInfo info = 3; uint64 offset = 4; map<string, string> tags = 5; }
message Node {
  string uid = 1; string name = 2; string version = 3; uint32 num_clients = 4; uint32 num_users = 5;
  uint32 num_channels = 6; uint32 uptime = 7; Metrics metrics = 8; Process process = 9; uint32 num_subs = 10;
}
message Metrics { double interval = 1; map<string, double> items = 2; }
message Process { double cpu = 1; int64 rss = 2; }
message ChannelInfo { uint32 num_clients = 1; }
message UserUpdate { string user = 1; }
message MetaUpdate { map<string, string> meta = 1; }
message TopicsUpdate { string op = 1; repeated string topics = 2; }
message TimezoneUpdate { string timezone = 1; }
message LocaleUpdate { string locale = 1; }
message DeviceFilter {
  repeated string ids = 1; repeated string users = 2; repeated string topics = 3; repeated string providers = 4;
  repeated string platforms = 5; repeated string apps = 1000; Exclusion exclude = 1001;
}
message Exclusion { repeated string ids = 1; repeated string users = 2; }
message DeviceTopicFilter {
  repeated string device_ids = 1; repeated string device_providers = 2; repeated string device_platforms = 3;
  repeated string device_users = 4; repeated string topics = 5; string topic_prefix = 6;
}
message UserTopicFilter { repeated string users = 1; repeated string topics = 2; string topic_prefix = 3; }
message Device {
  string id = 1; string platform = 2; string provider = 3; string token = 4; string user = 5; int64 created_at = 6;
  int64 updated_at = 7; map<string, string> meta = 10; repeated string topics = 11; string timezone = 12;
  string locale = 13; string webpush_keys = 14; string app = 1000;
}
message DeviceTopic { string id = 1; string topic = 2; Device device = 3; string device_id = 1000; }
message UserTopic { string id = 1; string user = 2; string topic = 3; }
message Recipient {
  DeviceFilter filter = 1; repeated string fcm_tokens = 2; string fcm_topic = 3; string fcm_condition = 4;
  repeated string hms_tokens = 5; string hms_topic = 6; string hms_condition = 7; repeated string apns_tokens = 8;
  repeated string webpush_tokens = 9;
}
message Notification { Message fcm = 1; Message hms = 2; Payload apns = 3; Payload webpush = 4; int64 expire_at = 5; }
message Message { bytes message = 1; }
message Payload { map<string, string> headers = 1; bytes payload = 2; }
message Localization { map<string, string> translations = 1; }
message LimitStrategy { RateLimit rate_limit = 1; TimeLimit time_limit = 2; }
message TimeLimit { string send_after_time = 1; string send_before_time = 2; bool no_tz_send_now = 3; }
message RateLimit { string key = 1; repeated Policy policies = 2; bool drop_if_rate_limited = 3; }
message Policy { int64 rate = 1; int32 interval_ms = 2; }
message StatusItem {
  string uid = 1; string device_id = 2; string recipient = 3; string provider = 4; string status = 5; string code = 6;
  string reason = 7; string msg_id = 8; int32 attempts = 9; int64 updated_at = 10; int64 delivered_at = 11;
  int64 interacted_at = 12;
}
message BatchRequest { repeated Command commands = 1; bool parallel = 2; }
message BatchResponse { repeated Reply replies = 1; }
`;

/** `device_list` → `DeviceList`, as the service names it. */
export function rpcName(method: string): string {
  if (method === 'rpc') return 'RPC';
  return method.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** All messages by their names: `PublishRequest`, `PublishResponse`, `BatchRequest` and so on. */
export function apiMessages(): protobuf.Root {
  const methods = Object.entries(METHOD_NUMBERS).map(([name, number]) => ({
    name,
    number,
    rpc: rpcName(name),
  }));
  const envelopes = methods.map(({ rpc }) => {
    const empty = RESULTS.includes(`message ${rpc}Result `) ? '' : `message ${rpc}Result {}`;
    return `${empty} message ${rpc}Response { Error error = 1; ${rpc}Result result = 2; }`;
  });
  const fields = (kind: string) =>
    methods.map(({ name, number, rpc }) => `${rpc}${kind} ${name} = ${number};`).join(' ');
  const batch = `message Command { ${fields('Request')} } message Reply { Error error = 2; ${fields('Result')} }`;
  const text = ['syntax = "proto3";', REQUESTS, RESULTS, PARTS, ...envelopes, batch].join('\n');
  return protobuf.parse(text, { keepCase: true }).root;
}
