import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Config, NamespaceOptions } from './config.ts';
import { readPem } from './pem.ts';
import { DEFAULT_PROXY, type ProxyOptions } from './proxies.ts';

const NAME = /^[-a-zA-Z0-9_.]{2,}$/;
const MAX_REASON_BYTES = 123;

/** What is wrong with proxies and with what names them, in words. */
export function proxyProblems(config: Config): string[] {
  const { client, channel, rpc, proxies } = config;
  const names = proxies.map(({ name }) => name);
  const problems = proxies.flatMap((proxy, index) => {
    const path = `proxies[${index}]`;
    const name = JSON.stringify(proxy.name);
    if (!NAME.test(proxy.name))
      return [`${path}.name is ${name}: allowed are two or more of letters, digits, "-", "_" and "."`];
    if (proxy.name === DEFAULT_PROXY)
      return [`${path}.name is ${name}: that is the proxy of the section itself`];
    if (names.indexOf(proxy.name) !== index)
      return [`${path}.name is ${name}: another proxy has that name already`];
    return oneProxyProblems(proxy, path);
  });
  for (const kind of ['connect', 'refresh'] as const) {
    const proxy = client.proxy[kind];
    if (proxy.enabled) problems.push(...oneProxyProblems(proxy, `client.proxy.${kind}`));
  }
  const defaults = new Set<string>();
  const check = (path: string, name: string, fallback: string, proxy: ProxyOptions) => {
    if (name !== DEFAULT_PROXY && !names.includes(name)) {
      problems.push(
        `${path} is ${JSON.stringify(name)}: allowed is "default" or a name in proxies, of ${names.join(', ') || 'which there are none'}`,
      );
    }
    if (name !== DEFAULT_PROXY || defaults.has(fallback)) return;
    defaults.add(fallback);
    problems.push(...oneProxyProblems(proxy, fallback));
  };
  const checkNamespace = (path: string, options: NamespaceOptions) => {
    for (const kind of ['subscribe', 'publish', 'sub_refresh'] as const) {
      if (!options[`${kind}_proxy_enabled`]) continue;
      const name = options[`${kind}_proxy_name`];
      check(`${path}.${kind}_proxy_name`, name, `channel.proxy.${kind}`, channel.proxy[kind]);
    }
  };
  checkNamespace('channel.without_namespace', channel.without_namespace);
  channel.namespaces.forEach((options, index) => {
    checkNamespace(`channel.namespaces[${index}]`, options);
  });
  const sections = [
    { path: 'rpc.without_namespace', ...rpc.without_namespace },
    ...rpc.namespaces.map((options, index) => ({ path: `rpc.namespaces[${index}]`, ...options })),
  ];
  for (const { path, proxy_enabled, proxy_name } of sections) {
    if (proxy_enabled) check(`${path}.proxy_name`, proxy_name, 'rpc.proxy', rpc.proxy);
  }
  rpc.namespaces.forEach(({ name }, index) => {
    if (NAME.test(name) && rpc.namespaces.findIndex((other) => other.name === name) === index) return;
    problems.push(
      `rpc.namespaces[${index}].name is ${JSON.stringify(name)}: allowed are two or more of letters, digits, "-", "_" and ".", each name once`,
    );
  });
  return problems;
}

function oneProxyProblems({ endpoint, timeout, http, ...proxy }: ProxyOptions, path: string): string[] {
  const problems: string[] = [];
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
    problems.push(`${path}.endpoint is ${JSON.stringify(endpoint)}: allowed is an http: or https: URL`);
  }
  if (timeout <= 0) problems.push(`${path}.timeout is ${timeout}: allowed is more than nothing`);
  for (const key of ['http_headers', 'emulated_headers'] as const) {
    proxy[key].forEach((name, index) => {
      if (!isHeader(name, ''))
        problems.push(`${path}.${key}[${index}] is ${JSON.stringify(name)}: allowed is a header's name`);
    });
  }
  for (const [name, value] of Object.entries(http.static_headers)) {
    if (!isHeader(name, value))
      problems.push(`${path}.http.static_headers has ${JSON.stringify(name)}: it cannot be sent as a header`);
  }
  http.status_to_code_transforms.forEach(({ status_code, to_error, to_disconnect }, index) => {
    const at = `${path}.http.status_to_code_transforms[${index}]`;
    if (status_code < 100) problems.push(`${at}.status_code is ${status_code}: allowed is from 100 to 599`);
    if ((to_error.code === 0) === (to_disconnect.code === 0))
      problems.push(`${at} must have either to_error.code or to_disconnect.code`);
    if (to_disconnect.code > 0 && to_disconnect.code < 3_000)
      problems.push(`${at}.to_disconnect.code is ${to_disconnect.code}: allowed is from 3000 to 4999`);
    if (Buffer.byteLength(to_disconnect.reason) > MAX_REASON_BYTES)
      problems.push(`${at}.to_disconnect.reason is too long: allowed are ${MAX_REASON_BYTES} bytes`);
  });
  for (const key of ['cert_pem', 'key_pem', 'server_ca_pem'] as const) {
    if (!http.tls.enabled || !http.tls[key]) continue;
    try {
      readPem(http.tls[key], `${path}.http.tls.${key}`);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return problems;
}

function isHeader(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
