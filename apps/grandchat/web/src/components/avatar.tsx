/** A face for a name: two neighbouring colours and the initials, made here and always the same (F13). */
export function Avatar({ name, seed, round = false }: { name: string; seed: number; round?: boolean }) {
  // The golden angle keeps neighbours apart; people and rooms of one number differ, too. White is legible on this lightness.
  const hue = (seed * 137.508 + (round ? 200 : 0)) % 360;
  const background = `linear-gradient(135deg, oklch(0.55 0.15 ${hue}), oklch(0.45 0.13 ${hue + 40}))`;
  return (
    <span className={round ? 'avatar round' : 'avatar'} style={{ background }} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

function initials(name: string): string {
  const words = name.split(/[\s_.-]+/).filter((word) => word !== '');
  const letters = words.length > 1 ? [words[0], words[1]] : [words[0]];
  return letters.map((word) => [...(word ?? '?')][0]?.toUpperCase()).join('');
}
