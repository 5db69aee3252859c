/** Options of proxies: the application's own HTTP endpoints, which are asked what clients may do. */
import { duration, flag, integer, list, type Option, section, text, textMap, texts } from './option.ts';
import { TLS, type TlsOptions } from './tls.ts';

/** What an HTTP status of the endpoint means to the client. One of the two has a code. */
export interface StatusTransform {
  status_code: number;
  to_error: { code: number; message: string; temporary: boolean };
  to_disconnect: { code: number; reason: string };
}

export interface ProxyOptions {
  endpoint: string;
  timeout: number;
  /** Headers of the client's request that are passed on. */
  http_headers: string[];
  /** Headers that clients put into their first command, because browsers let them set no others. */
  emulated_headers: string[];
  /** Payloads go as base64, so that they may be any bytes. */
  binary_encoding: boolean;
  include_connection_meta: boolean;
  http: {
    tls: TlsOptions;
    static_headers: Record<string, string>;
    status_to_code_transforms: StatusTransform[];
  };
}

export interface RpcOptions {
  proxy_enabled: boolean;
  proxy_name: string;
}

/** The endpoint that a section names without one: its own section's. */
export const DEFAULT_PROXY = 'default';

const proxy = {
  endpoint: text('', 'an http: or https: URL'),
  timeout: duration('1s'),
  http_headers: texts(),
  emulated_headers: texts(),
  binary_encoding: flag(),
  include_connection_meta: flag(),
  http: section<ProxyOptions['http']>({
    tls: TLS,
    static_headers: textMap(),
    status_to_code_transforms: list(
      section<StatusTransform>({
        status_code: integer(0, 0, 599),
        to_error: section({ code: integer(0, 0, 1_999), message: text(), temporary: flag() }),
        to_disconnect: section({ code: integer(0, 0, 4_999), reason: text() }),
      }),
    ),
  }),
};

export const PROXY: Option<ProxyOptions> = section<ProxyOptions>(proxy);
export const CLIENT_PROXY: Option<ProxyOptions & { enabled: boolean }> = section({
  enabled: flag(),
  ...proxy,
});
export const NAMED_PROXIES: Option<({ name: string } & ProxyOptions)[]> = list(
  section<{ name: string } & ProxyOptions>({ name: text(), ...proxy }),
);

const rpc = { proxy_enabled: flag(), proxy_name: text(DEFAULT_PROXY) };

export const RPC: Option<RpcConfig> = section<RpcConfig>({
  proxy: PROXY,
  without_namespace: section<RpcOptions>(rpc),
  namespaces: list(section<{ name: string } & RpcOptions>({ name: text(), ...rpc })),
  ping: section({ enabled: flag(), method: text('ping') }),
});

export interface RpcConfig {
  proxy: ProxyOptions;
  without_namespace: RpcOptions;
  namespaces: ({ name: string } & RpcOptions)[];
  /** A method that answers by itself. */
  ping: { enabled: boolean; method: string };
}
