/**
 * Templates in the strings of a message: the documented part of Go's text/template (push-api, section 6.3).
 *
 * `{{.device.meta.first_name}}` prints a variable, `{{default [[hello]] .l10n.greeting}}` a fallback for an empty or
 * missing one; `[[…]]`, `"…"` and `` `…` `` are texts, and `|` hands a value on as the last argument. A missing value
 * prints as nothing.
 */

/** What a template can name: maps of maps of texts. */
export interface TemplateVariables {
  readonly [name: string]: string | TemplateVariables | undefined;
}

/** Says what is wrong with a template, and where. */
export class TemplateError extends Error {
  override name = 'TemplateError';
}

/** A parsed template: gives the text for one device. Throws `TemplateError` for one whose data does not fit it. */
export type Template = (variables: TemplateVariables) => string;

type Expression = (variables: TemplateVariables) => string;
type Token = { readonly kind: 'text' | 'field' | 'word' | 'pipe'; readonly value: string };

const MAX_ACTIONS = 100;
const TOKEN =
  /\s*(?:\[\[(.*?)\]\]|"((?:[^"\\]|\\.)*)"|`([^`]*)`|((?:\.[A-Za-z_][\w-]*)+)|([A-Za-z]\w*)|(\|))/sy;

/** @throws TemplateError */
export function parseTemplate(source: string): Template {
  const parts: (string | Expression)[] = [];
  let at = 0;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    if (open < 0) break;
    const close = source.indexOf('}}', open);
    if (close < 0) throw new TemplateError(`"{{" without "}}" at character ${open + 1}`);
    if (open > at) parts.push(source.slice(at, open));
    parts.push(parsePipeline(source.slice(open + 2, close)));
    at = close + 2;
    if (parts.length > 2 * MAX_ACTIONS) throw new TemplateError(`more than ${MAX_ACTIONS} actions`);
  }
  if (at < source.length) parts.push(source.slice(at));
  return (variables) => parts.map((part) => (typeof part === 'string' ? part : part(variables))).join('');
}

/** Whether a text has anything to render. */
export function isTemplate(source: string): boolean {
  return source.includes('{{');
}

function parsePipeline(source: string): Expression {
  const commands: Token[][] = [[]];
  for (const token of tokenize(source)) {
    if (token.kind === 'pipe') commands.push([]);
    else commands.at(-1)?.push(token);
  }
  let value: Expression | undefined;
  for (const command of commands) value = parseCommand(command, value, source);
  return value as Expression;
}

function parseCommand(
  [head, ...rest]: readonly Token[],
  piped: Expression | undefined,
  source: string,
): Expression {
  if (!head) throw new TemplateError(`empty action in {{${source}}}`);
  const values = [...rest.map((token) => operand(token, source)), ...(piped ? [piped] : [])];
  if (head.kind !== 'word') {
    if (values.length > 0) throw new TemplateError(`a value takes no arguments in {{${source}}}`);
    return operand(head, source);
  }
  if (head.value !== 'default') {
    throw new TemplateError(`unknown function "${head.value}" in {{${source}}}: allowed is default`);
  }
  const [fallback, value, ...more] = values;
  if (!fallback || !value || more.length > 0) {
    throw new TemplateError(`default takes a fallback and a value in {{${source}}}`);
  }
  return (variables) => value(variables) || fallback(variables);
}

function operand(token: Token, source: string): Expression {
  if (token.kind === 'text') return () => token.value;
  if (token.kind === 'word') throw new TemplateError(`"${token.value}" is no value in {{${source}}}`);
  const path = token.value.slice(1).split('.');
  return (variables) => lookUp(variables, path);
}

function lookUp(variables: TemplateVariables, path: readonly string[]): string {
  let value: string | TemplateVariables | undefined = variables;
  for (const [depth, name] of path.entries()) {
    if (typeof value === 'string') {
      throw new TemplateError(`.${path.slice(0, depth).join('.')} is a text and has no member ${name}`);
    }
    if (value === undefined || !Object.hasOwn(value, name)) return '';
    value = value[name];
  }
  return typeof value === 'string' ? value : '';
}

function* tokenize(source: string): Generator<Token> {
  TOKEN.lastIndex = 0;
  let at = 0;
  while (source.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (!match) throw new TemplateError(`cannot read "${source.slice(at).trim()}" in {{${source}}}`);
    at = TOKEN.lastIndex;
    const [, bracketed, quoted, raw, field, word] = match;
    if (field !== undefined) yield { kind: 'field', value: field };
    else if (word !== undefined) yield { kind: 'word', value: word };
    else if (quoted !== undefined) yield { kind: 'text', value: unquote(quoted) };
    else if (bracketed !== undefined || raw !== undefined)
      yield { kind: 'text', value: bracketed ?? raw ?? '' };
    else yield { kind: 'pipe', value: '|' };
  }
}

function unquote(text: string): string {
  return text.replace(
    /\\(.)/gs,
    (_whole, character: string) => ({ n: '\n', t: '\t' })[character] ?? character,
  );
}
