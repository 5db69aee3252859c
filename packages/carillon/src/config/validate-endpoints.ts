import type { Config } from './config.ts';

const PATH = /^\/[^\s?#*:]*$/;

/** What answers over HTTP has a path of its own. */
export function endpointProblems(config: Config): string[] {
  const problems: string[] = [];
  const taken = new Map<string, string>();
  for (const [section, path] of endpoints(config)) {
    const key = `${section}.handler_prefix`;
    if (!PATH.test(path)) {
      problems.push(
        `${key} is ${JSON.stringify(path)}: allowed is a path that begins with "/", without "?", "#", "*", ":" and space`,
      );
    }
    const other = taken.get(path);
    if (other) problems.push(`${key} is ${JSON.stringify(path)}: ${other} is that already`);
    taken.set(path, key);
  }
  return problems;
}

/** Sections that are switched on, with their paths. */
function endpoints(config: Config): [section: string, path: string][] {
  const { http_api, health, prometheus, websocket, http_stream, sse, emulation } = config;
  const { uni_websocket, uni_http_stream, uni_sse } = config;
  const all: [string, boolean, string][] = [
    ['http_api', !http_api.disabled, http_api.handler_prefix],
    ['health', health.enabled, health.handler_prefix],
    ['prometheus', prometheus.enabled, prometheus.handler_prefix],
    ['websocket', !websocket.disabled, websocket.handler_prefix],
    ['http_stream', http_stream.enabled, http_stream.handler_prefix],
    ['sse', sse.enabled, sse.handler_prefix],
    ['emulation', http_stream.enabled || sse.enabled, emulation.handler_prefix],
    ['uni_websocket', uni_websocket.enabled, uni_websocket.handler_prefix],
    ['uni_http_stream', uni_http_stream.enabled, uni_http_stream.handler_prefix],
    ['uni_sse', uni_sse.enabled, uni_sse.handler_prefix],
  ];
  return all.filter(([, enabled]) => enabled).map(([section, , path]) => [section, path]);
}
