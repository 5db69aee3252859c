import type { ChannelOptions, NamespaceOptions } from '../config/config.ts';
import type { HistoryOptions } from './broker.ts';
import type { Override } from './claims.ts';
import { isEmpty, type Payload, RawBytes } from './payload.ts';

/** A channel's name taken apart (client-protocol, section 8). */
export interface Channel {
  readonly name: string;
  /** `$…`: a subscription token is a must. */
  readonly isPrivate: boolean;
  /** The users behind the last `#`; undefined when it is not user-limited. */
  readonly users: readonly string[] | undefined;
  readonly options: NamespaceOptions;
}

/** Finds the options that hold for a channel. */
export class Channels {
  readonly #namespaces: ReadonlyMap<string, NamespaceOptions>;
  readonly #regexes = new Map<NamespaceOptions, RegExp>();
  readonly #config: ChannelOptions;

  constructor(config: ChannelOptions) {
    this.#config = config;
    this.#namespaces = new Map(config.namespaces.map((namespace) => [namespace.name, namespace]));
    for (const options of [config.without_namespace, ...config.namespaces]) {
      if (options.channel_regex) this.#regexes.set(options, new RegExp(options.channel_regex));
    }
  }

  /** Undefined when the namespace is not configured. */
  find(name: string): Channel | undefined {
    const options = this.options(name);
    if (!options) return undefined;
    const bare = bareName(name);
    const hash = bare.lastIndexOf('#');
    return {
      name,
      isPrivate: name.startsWith('$'),
      users: hash < 0 ? undefined : bare.slice(hash + 1).split(','),
      options,
    };
  }

  /** What holds for a channel of this name; undefined when the namespace is not configured. */
  options(name: string): NamespaceOptions | undefined {
    const bare = bareName(name);
    const colon = bare.indexOf(':');
    return colon <= 0 ? this.#config.without_namespace : this.#namespaces.get(bare.slice(0, colon));
  }

  isTooLong(name: string): boolean {
    return name.length > this.#config.max_length;
  }

  /** Whether a client may use this name: ASCII, or what the namespace's regex allows behind the colon. */
  isValidName({ name, options }: Channel): boolean {
    const regex = this.#regexes.get(options);
    if (!regex) return /^[\x20-\x7e]*$/.test(name);
    return regex.test(name.slice(name.indexOf(':') + 1));
  }

  history({ options }: Pick<Channel, 'options'>): HistoryOptions {
    return {
      size: options.history_size,
      ttl: options.history_ttl,
      metaTtl: options.history_meta_ttl || this.#config.history_meta_ttl,
    };
  }

  /** Why data do not fit the namespace's `publication_data_format`; undefined when they do. */
  dataProblem({ options }: Pick<Channel, 'options'>, data: Payload | undefined): string | undefined {
    const format = options.publication_data_format || this.#config.publication_data_format;
    if (format === 'binary') return undefined;
    if (data === undefined || isEmpty(data)) return 'is required';
    if (format === '') return undefined;
    if (data instanceof RawBytes) return 'must be JSON in this namespace';
    if (format === 'json_object' && !data.text.trimStart().startsWith('{'))
      return 'must be a JSON object in this namespace';
    return undefined;
  }
}

function bareName(name: string): string {
  return name.startsWith('$') ? name.slice(1) : name;
}

/** The channel as one subscription sees it: what is overridden wins over its namespace. */
export function withOverride(channel: Channel, override: Override | undefined): Channel {
  return override ? { ...channel, options: { ...channel.options, ...override } } : channel;
}

export function hasHistory({ options }: Channel): boolean {
  return options.history_size > 0 && options.history_ttl > 0;
}
