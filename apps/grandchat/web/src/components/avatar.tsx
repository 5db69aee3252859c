/** A face for a name: two of twelve colours and the initials, made here and always the same (F13). */
export function Avatar({ name, seed, round = false }: { name: string; seed: number; round?: boolean }) {
  const hue = (seed * 137.508) % 360;
  const background = `linear-gradient(135deg, hsl(${hue} 58% 42%), hsl(${(hue + 40) % 360} 62% 32%))`;
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
