/** The metrics of server-api, section 9, that real time and the server API count. */
const COMPARED =
  /^centrifugo_(api_command|client_(?!command)|transport_|node_(num|build|action|broadcast|incoming))/;
/** Who else asks, and how soon Centrifugo leaves a channel that nobody is in any more, is not for a comparison. */
const LEFT_OUT = /path="\/(health|metrics)"|action="broker_unsubscribe"/;
/** How often depends on the answers, which are compared by themselves. */
const BY_ANSWERS = /^centrifugo_(api_command|node_incoming)/;

/** A series, such as `centrifugo_client_recover{…}`, and its value; durations by their counts. */
export type Scrape = ReadonlyMap<string, string>;

/** Reads what a server counts: types of metrics, and values that do not depend on time and size. */
export async function scrape(server: string): Promise<Scrape> {
  const text = await (await fetch(`${server}/metrics`)).text();
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, typed = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (COMPARED.test(typed)) found.set(`${typed} is a`, type);
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (!COMPARED.test(name) || LEFT_OUT.test(labels)) continue;
    if (/quantile=/.test(labels) || /_(bucket|sum|size)$/.test(name)) continue;
    const sorted = labels
      .replace(/version="[^"]* [^"]*"/, 'version="…"')
      .split(/,(?=\w+=)/)
      .sort();
    found.set(`${name}{${sorted}}`, BY_ANSWERS.test(name) ? 'some' : value);
  }
  return found;
}

/** Series that only one of the two has, or with another value. */
export function differencesOf(centrifugo: Scrape, carillon: Scrape): string[] {
  return [...new Set([...centrifugo.keys(), ...carillon.keys()])]
    .filter((series) => centrifugo.get(series) !== carillon.get(series))
    .map((series) => {
      if (!carillon.has(series)) return `only Centrifugo: ${series}`;
      return centrifugo.has(series) ? `another value: ${series}` : `only Carillon: ${series}`;
    })
    .sort();
}

const error = (code: string, method: string) =>
  `centrifugo_api_command_errors_total{error="${code}",method="${method}",protocol="http"}`;
const request = (method: string, status: number) =>
  `centrifugo_node_incoming_http_requests_total{method="POST",path="/api/${method}",status="${status}"}`;
const action = (name: string) => `centrifugo_node_action_count{action="${name}",channel_namespace=""}`;
const ran = (method: string) =>
  ['', '_histogram'].map(
    (kind) => `centrifugo_api_command_duration_seconds${kind}_count{method="${method}",protocol="http"}`,
  );

interface MetricDifference {
  readonly why: string;
  readonly centrifugo?: readonly string[];
  readonly carillon?: readonly string[];
  readonly otherValue?: readonly string[];
}

/** What the traffic of the comparison leaves different. */
const DIFFERENCES: readonly MetricDifference[] = [
  {
    why: 'calls that are answered otherwise: see PARITY_DIFFERENCES',
    centrifugo: [
      error('100', 'channels'),
      error('100', 'history'),
      error('marshal', 'history'),
      request('channels', 500),
      request('history', 500),
    ],
    carillon: [
      error('107', 'channels'),
      error('107', 'disconnect'),
      error('107', 'unsubscribe'),
      error('107', 'unknown'),
      request('disconnect', 400),
      request('unsubscribe', 400),
    ],
    otherValue: [action('history'), action('survey')],
  },
  {
    why: 'methods that only one of the two has',
    centrifugo: [
      ...ran('map_stats'),
      error('107', 'map_stats'),
      request('map_stats', 200),
      request('map_stats', 400),
    ],
    carillon: [...ran('device_list'), error('108', 'device_list')],
  },
  {
    why: 'what fails in single channels of a broadcast is not counted here: a broadcast has up to 100 000 of them',
    centrifugo: [error('102', 'broadcast_publish'), error('107', 'broadcast_publish')],
  },
  {
    why: 'Centrifugo loses count of a subscription that the server API repeats',
    otherValue: [
      'centrifugo_client_subscriptions_inflight{channel_namespace="",client_name="unregistered"}',
      action('broker_subscribe'),
      action('remove_subscription'),
    ],
  },
  {
    why: 'Centrifugo has the name and does not count it',
    carillon: [
      'centrifugo_client_subscriptions_accepted is a',
      'centrifugo_client_subscriptions_accepted{channel_namespace="",client_name="unregistered"}',
    ],
  },
  {
    why: 'shown here before there is anything to count',
    carillon: ['centrifugo_client_ping_pong_duration_seconds is a', 'centrifugo_client_recover is a'],
  },
];

export const METRIC_DIFFERENCES: readonly string[] = DIFFERENCES.flatMap(
  ({ centrifugo = [], carillon = [], otherValue = [] }) => [
    ...centrifugo.map((series) => `only Centrifugo: ${series}`),
    ...carillon.map((series) => `only Carillon: ${series}`),
    ...otherValue.map((series) => `another value: ${series}`),
  ],
).sort();
