/** What `'a' in topics && ('b' in topics || !('c' in topics))` means. */
export type Condition =
  | { readonly topic: string }
  | { readonly not: Condition }
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] };

const MAX_TOPICS = 5;
const MAX_LENGTH = 10_000;
const LEXEME = /\s*(?:'([^']*)'|(&&|\|\||!|\(|\))|(in)\b|(topics)\b)/y;

/**
 * Reads a condition of FCM or HMS (vendors.md 1.3, 3.2): quoted topic names `in topics`, `&&`, `||`, `!` and parentheses, at
 * most 5 topics. `&&` binds more closely than `||`. Undefined when it is none.
 */
export function parseCondition(text: string): Condition | undefined {
  const lexemes = split(text);
  if (!lexemes) return undefined;
  let at = 0;
  let topics = 0;
  const take = (lexeme: string) => lexemes[at] === lexeme && ++at > 0;

  const chain = (operator: string, operand: () => Condition | undefined) => {
    const operands: Condition[] = [];
    do {
      const one = operand();
      if (!one) return undefined;
      operands.push(one);
    } while (take(operator));
    return operands;
  };
  const any = (): Condition | undefined => {
    const operands = chain('||', all);
    return operands && (operands.length === 1 ? operands[0] : { any: operands });
  };
  const all = (): Condition | undefined => {
    const operands = chain('&&', term);
    return operands && (operands.length === 1 ? operands[0] : { all: operands });
  };
  const term = (): Condition | undefined => {
    if (take('!')) {
      const negated = term();
      return negated && { not: negated };
    }
    if (take('(')) {
      const inner = any();
      return inner && take(')') ? inner : undefined;
    }
    const name = lexemes[at];
    if (!name?.startsWith("'") || name === "'") return undefined;
    at += 1;
    topics += 1;
    return take('in') && take('topics') ? { topic: name.slice(1) } : undefined;
  };

  const condition = any();
  return condition && at === lexemes.length && topics <= MAX_TOPICS ? condition : undefined;
}

/** Whether a condition is true of somebody who has these topics. */
export function holds(condition: Condition, has: (topic: string) => boolean): boolean {
  if ('topic' in condition) return has(condition.topic);
  if ('not' in condition) return !holds(condition.not, has);
  if ('all' in condition) return condition.all.every((one) => holds(one, has));
  return condition.any.some((one) => holds(one, has));
}

/** Names keep their opening quote, to be told from words. */
function split(text: string): string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const lexemes: string[] = [];
  const trimmed = text.trim();
  LEXEME.lastIndex = 0;
  while (LEXEME.lastIndex < trimmed.length) {
    const match = LEXEME.exec(trimmed);
    if (!match) return undefined;
    const [, name, operator, word, topics] = match;
    lexemes.push(name !== undefined ? `'${name}` : (operator ?? word ?? topics ?? ''));
  }
  return lexemes;
}
