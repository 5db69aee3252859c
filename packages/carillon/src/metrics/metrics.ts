import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from 'prom-client';
import { observePush, type PushObservations } from './push.ts';
import { observeRealtime, type RealtimeObservations } from './realtime.ts';

/** What consumers count (consumers, section 1.4); `lag` is what a source holds and is not settled. */
export interface ConsumerMetrics {
  processed(count: number): void;
  failed(): void;
  parked(count: number): void;
  lag(unit: 'messages' | 'bytes', partition: string, value: number): void;
  /** Bytes that a slot keeps of the database's log. */
  retained(bytes: number): void;
}

/** One question to the application. */
export interface ProxyCallSample {
  readonly type: string;
  readonly name: string;
  readonly seconds: number;
  readonly failed: boolean;
}

export interface Metrics {
  /** A command of the server API that came by HTTP or gRPC, or from a consumer. */
  observeCommand(protocol: string, method: string, seconds: number): void;
  /** `error` is the code of the answer, or `unmarshal`, `read_body`. */
  countCommandError(protocol: string, method: string, error: string): void;
  countHttpRequest(path: string, method: string, status: number): void;
  countOutcome(
    provider: string,
    outcome: { readonly kind: string; readonly code: string },
    about: { readonly recipientType: string; readonly platform: string },
  ): void;
  countSettled(
    provider: string,
    settled: { readonly retried: number; readonly dead: readonly { readonly code: string }[] },
  ): void;
  countScheduled(recipientType: string): void;
  countDropped(lane: string, recipientType: string, reason: string, count: number): void;
  countReport(provider: string, status: string): void;
  observeJob(lane: string, recipientType: string, seconds: number): void;
  consumerCounters(name: string): ConsumerMetrics;
  observeProxyCall(call: ProxyCallSample): void;
  observeRealtime(observations: RealtimeObservations): void;
  observePush(observations: PushObservations): void;
  /** Prometheus' text format. */
  text(): Promise<string>;
}

/** Counts under Centrifugo's names (server-api section 9, push-api section 11), so that its dashboards work. */
export function createMetrics(): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  const commands = new Histogram({
    name: 'centrifugo_api_command_duration_seconds_histogram',
    help: 'Duration of server API commands',
    labelNames: ['protocol', 'method'],
    buckets: [0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const commandSummary = new Summary({
    name: 'centrifugo_api_command_duration_seconds',
    help: 'Duration of server API commands; deprecated: use the histogram',
    labelNames: ['protocol', 'method'],
    percentiles: [0.5, 0.99, 0.999],
    maxAgeSeconds: 600,
    // Each takes every command in, at almost a microsecond.
    ageBuckets: 2,
    registers,
  });
  const commandErrors = new Counter({
    name: 'centrifugo_api_command_errors_total',
    help: 'Server API commands that were answered with an error',
    labelNames: ['protocol', 'method', 'error'],
    registers,
  });
  const requests = new Counter({
    name: 'centrifugo_node_incoming_http_requests_total',
    help: 'Requests over HTTP that have been answered, upgrades included',
    labelNames: ['path', 'method', 'status'],
    registers,
  });
  const pushes = new Counter({
    name: 'centrifugo_push_notification_count',
    help: 'Outcomes of single sends',
    labelNames: ['provider', 'recipient_type', 'platform', 'success', 'err_code'],
    registers,
  });
  const retries = new Counter({
    name: 'carillon_push_retry_count',
    help: 'Single sends that failed, may pass later and are queued again',
    labelNames: ['provider'],
    registers,
  });
  const deadLetters = new Counter({
    name: 'carillon_push_dead_letter_count',
    help: 'Single sends that were given up, with a record that says why',
    labelNames: ['provider', 'err_code'],
    registers,
  });
  const scheduled = new Counter({
    name: 'centrifugo_push_scheduled_request_count',
    help: 'Pushes accepted with a time to come',
    labelNames: ['recipient_type'],
    registers,
  });
  const dropped = new Counter({
    name: 'carillon_push_dropped_count',
    help: 'Recipients left out by a limit, an expiry or a cancellation; provider fanout counts pushes whose recipients were not looked for',
    labelNames: ['provider', 'recipient_type', 'reason'],
    registers,
  });
  const reports = new Counter({
    name: 'carillon_push_status_report_count',
    help: 'What apps reported by update_push_status',
    labelNames: ['provider', 'status'],
    registers,
  });
  const jobSummary = new Summary({
    name: 'centrifugo_push_job_duration_seconds',
    help: 'Duration of jobs of the push queue; deprecated: use the histogram',
    labelNames: ['provider', 'recipient_type'],
    percentiles: [0.5, 0.9, 0.99],
    maxAgeSeconds: 600,
    ageBuckets: 5,
    registers,
  });
  const jobs = new Histogram({
    name: 'centrifugo_push_job_duration_seconds_histogram',
    help: 'Duration of jobs of the push queue; provider is the lane, fanout for finding recipients',
    labelNames: ['provider', 'recipient_type'],
    buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
    registers,
  });
  const processed = new Counter({
    name: 'centrifugo_consumers_messages_processed_total',
    help: 'Messages a consumer has handled, skipped ones included',
    labelNames: ['consumer_name'],
    registers,
  });
  const failed = new Counter({
    name: 'centrifugo_consumers_errors_total',
    help: 'Attempts of a consumer that failed',
    labelNames: ['consumer_name'],
    registers,
  });
  const parked = new Counter({
    name: 'carillon_consumers_parked_total',
    help: 'Commands that can never succeed and were put aside, with the reason, in carillon_parked_commands',
    labelNames: ['consumer_name'],
    registers,
  });
  const lag = {
    messages: new Gauge({
      name: 'carillon_consumers_lag_messages',
      help: 'Commands that a source holds and that are not settled',
      labelNames: ['consumer_name', 'partition'],
      registers,
    }),
    bytes: new Gauge({
      name: 'carillon_consumers_lag_bytes',
      help: 'How far the confirmed position is behind the end of the database log, in bytes',
      labelNames: ['consumer_name', 'partition'],
      registers,
    }),
  };
  const retained = new Gauge({
    name: 'carillon_consumers_retained_bytes',
    help: 'Bytes of the database log that a replication slot keeps on the disk of PostgreSQL',
    labelNames: ['consumer_name'],
    registers,
  });
  const proxyCalls = new Histogram({
    name: 'centrifugo_proxy_duration_seconds_histogram',
    help: 'Duration of calls to the application',
    labelNames: ['protocol', 'type', 'name'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const proxyErrors = new Counter({
    name: 'centrifugo_proxy_errors',
    help: 'Calls to the application that gave no answer to use',
    labelNames: ['protocol', 'type', 'name'],
    registers,
  });
  return {
    observeCommand(protocol, method, seconds) {
      commands.observe({ protocol, method }, seconds);
      commandSummary.observe({ protocol, method }, seconds);
    },
    countCommandError: (protocol, method, error) => commandErrors.inc({ protocol, method, error }),
    countHttpRequest: (path, method, status) => requests.inc({ path, method, status: String(status) }),
    countOutcome(provider, { kind, code }, { recipientType, platform }) {
      const success = kind === 'accepted';
      pushes.inc({
        provider,
        recipient_type: recipientType,
        platform,
        success: String(success),
        err_code: success ? '' : code,
      });
    },
    countSettled(provider, { retried, dead }) {
      retries.inc({ provider }, retried);
      for (const { code } of dead) deadLetters.inc({ provider, err_code: code });
    },
    countScheduled: (recipientType) => scheduled.inc({ recipient_type: recipientType }),
    countDropped: (lane, recipientType, reason, count) =>
      dropped.inc({ provider: lane, recipient_type: recipientType, reason }, count),
    countReport: (provider, status) => reports.inc({ provider, status }),
    observeJob(lane, recipientType, seconds) {
      const labels = { provider: lane, recipient_type: recipientType };
      jobs.observe(labels, seconds);
      jobSummary.observe(labels, seconds);
    },
    consumerCounters(name) {
      const labels = { consumer_name: name };
      processed.inc(labels, 0);
      failed.inc(labels, 0);
      parked.inc(labels, 0);
      return {
        processed: (count) => processed.inc(labels, count),
        failed: () => failed.inc(labels),
        parked: (count) => parked.inc(labels, count),
        lag: (unit, partition, value) => lag[unit].set({ ...labels, partition }, value),
        retained: (bytes) => retained.set(labels, bytes),
      };
    },
    observeProxyCall({ type, name, seconds, failed }) {
      const labels = { protocol: 'http', type, name };
      proxyCalls.observe(labels, seconds);
      if (failed) proxyErrors.inc(labels);
    },
    observeRealtime: (observations) => observeRealtime(register, observations),
    observePush: (observations) => observePush(register, observations),
    text: () => register.metrics(),
  };
}
