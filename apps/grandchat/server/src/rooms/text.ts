/** Overrides of the writing direction: in a name they would turn round what stands beside it. */
const DIRECTION = /[\u202a-\u202e\u2066-\u2069]/;
const VISIBLE = /[^\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** Whether there is anything to see: neither spaces nor characters without a width count. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/** Whether a text may stand in a line with others: visible, one line, no control characters, the direction its own. */
export function isLabel(text: string): boolean {
  return isVisible(text) && !/\p{Cc}/u.test(text) && !DIRECTION.test(text);
}
