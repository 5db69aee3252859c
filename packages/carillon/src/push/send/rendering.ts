import type { ProviderMessage } from '../providers/provider.ts';
import type { Localizations, Rendering } from '../queue/stored-push.ts';
import { isTemplate, parseTemplate, TemplateError, type TemplateVariables } from './template.ts';

/** What a message is rendered for. */
export interface RenderedFor {
  readonly id: string;
  readonly user: string;
  readonly locale: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** A message whose templates are parsed: gives the message for one device. */
export type MessageTemplate = (variables: TemplateVariables) => ProviderMessage;

/**
 * Parses every string of a message, its headers aside, once. Each is rendered for itself and stays a string, so that a device's data cannot
 * break out of the JSON; keys are left alone.
 * @throws TemplateError naming the member
 */
export function compileMessage(message: ProviderMessage): MessageTemplate {
  const { headers, ...templates } = message;
  const render = compileValue(templates, '') as (variables: TemplateVariables) => ProviderMessage;
  return (variables) => ({ ...(headers !== undefined && { headers }), ...render(variables) });
}

/** The variables of one device. */
export function variablesFor(device: RenderedFor, { localizations, use_meta }: Rendering): TemplateVariables {
  return {
    device: { id: device.id, user: device.user, meta: use_meta ? device.meta : {} },
    l10n: chooseTranslations(localizations, device.locale) ?? {},
  };
}

/** The translations for a locale: its exact tag, or the nearest shorter one (`pt` serves `pt-BR`), without case. */
export function chooseTranslations(
  localizations: Localizations,
  locale: string,
): Readonly<Record<string, string>> | undefined {
  const byTag = new Map(Object.entries(localizations).map(([tag, texts]) => [tag.toLowerCase(), texts]));
  for (let tag = locale.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
    const found = byTag.get(tag);
    if (found) return found;
  }
  return undefined;
}

function compileValue(value: unknown, path: string): (variables: TemplateVariables) => unknown {
  if (typeof value === 'string' && isTemplate(value)) {
    try {
      return parseTemplate(value);
    } catch (error) {
      throw new TemplateError(`${path.replace(/^\./, '')}: ${(error as Error).message}`);
    }
  }
  if (Array.isArray(value)) {
    const items = value.map((item, index) => compileValue(item, `${path}[${index}]`));
    return (variables) => items.map((item) => item(variables));
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => [key, compileValue(item, `${path}.${key}`)] as const,
    );
    return (variables) => Object.fromEntries(members.map(([key, item]) => [key, item(variables)]));
  }
  return () => value;
}
