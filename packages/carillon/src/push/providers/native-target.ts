import { badRequest } from '../../errors.ts';
import { show } from './message-fields.ts';

/** Google and Huawei take this many topics in a condition. */
const MAX_TOPICS = 5;
const MAX_TOKEN_LENGTH = 4_096;
/** Visible ASCII without `"` and `\`, so that it stands in JSON as it is. */
const TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const PIECE = /\s*(?:'(?<topic>[^']*)'|(?<sign>&&|\|\||[!()])|(?<word>in|topics)(?![\w-]))/y;

/** Checks a device token, whose grammar vendors do not tell. @throws ApiError 107 naming the field, not the token */
export function checkToken(token: string, field: string): string {
  if (token.length <= MAX_TOKEN_LENGTH && TOKEN.test(token)) return token;
  throw badRequest(
    field,
    `must be 1 to ${MAX_TOKEN_LENGTH} visible ASCII characters without quotes, got ${token.length} characters`,
  );
}

/**
 * Checks a condition over topics, which Google and Huawei write alike:
 * `'a' in topics && ('b' in topics || !('c' in topics))`, with at most 5 topics.
 *
 * @param checkTopic throws for a name that is no topic
 * @throws ApiError 107 naming the field and the place
 */
export function checkCondition(text: string, field: string, checkTopic: (topic: string) => void): void {
  const topics = new ConditionReader(text, field).read();
  if (topics.length > MAX_TOPICS) {
    throw badRequest(field, `must have at most ${MAX_TOPICS} topics, got ${topics.length}`);
  }
  topics.forEach(checkTopic);
}

interface Piece {
  readonly at: number;
  readonly topic?: string | undefined;
  readonly sign?: string | undefined;
  readonly word?: string | undefined;
}

/**
 * Reads by this grammar: an expression is operands with `&&` or `||` between them; an operand is `!` before an operand,
 * an expression in parentheses, or `'topic' in topics`.
 */
class ConditionReader {
  readonly #field: string;
  readonly #pieces: readonly Piece[];
  readonly #topics: string[] = [];
  #next = 0;

  constructor(text: string, field: string) {
    this.#field = field;
    this.#pieces = split(text, field);
  }

  /** @returns the topics, in order */
  read(): readonly string[] {
    this.#readExpression();
    if (this.#next < this.#pieces.length) throw this.#missing('&& or ||');
    return this.#topics;
  }

  #readExpression(): void {
    do this.#readOperand();
    while (this.#take('sign', '&&') || this.#take('sign', '||'));
  }

  #readOperand(): void {
    while (this.#take('sign', '!'));
    if (this.#take('sign', '(')) {
      this.#readExpression();
      if (!this.#take('sign', ')')) throw this.#missing('a closing parenthesis');
      return;
    }
    const topic = this.#pieces[this.#next]?.topic;
    if (topic === undefined) throw this.#missing("a topic in single quotes ('news')");
    this.#topics.push(topic);
    this.#next += 1;
    if (!this.#take('word', 'in') || !this.#take('word', 'topics')) throw this.#missing('"in topics"');
  }

  #take(kind: 'sign' | 'word', value: string): boolean {
    if (this.#pieces[this.#next]?.[kind] !== value) return false;
    this.#next += 1;
    return true;
  }

  #missing(what: string): Error {
    const piece = this.#pieces[this.#next];
    const where = piece ? `at character ${piece.at + 1}` : 'at the end';
    return badRequest(
      this.#field,
      `${what} is missing ${where}, e.g. 'a' in topics && ('b' in topics || 'c' in topics)`,
    );
  }
}

function split(text: string, field: string): Piece[] {
  const pieces: Piece[] = [];
  const trimmed = text.trimEnd();
  let at = 0;
  while (at < trimmed.length) {
    PIECE.lastIndex = at;
    const match = PIECE.exec(trimmed);
    if (!match) {
      throw badRequest(
        field,
        `cannot be read at character ${at + 1}: ${show(trimmed.slice(at, at + 20))}; allowed are 'topic' in topics, &&, ||, ! and parentheses`,
      );
    }
    pieces.push({ at, ...match.groups });
    at = PIECE.lastIndex;
  }
  return pieces;
}
