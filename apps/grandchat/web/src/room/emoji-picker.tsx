import { type KeyboardEvent, useEffect, useRef } from 'react';

const CATEGORIES: readonly [name: string, emoji: string][] = [
  [
    'Smileys',
    '😀 😃 😄 😁 😅 😂 🙂 🙃 😉 😊 😍 😘 😋 😎 🤓 🤔 🤨 😐 😴 😌 😔 😕 🙁 😮 😢 😭 😤 😡 🤯 🥳 🥲 🤗',
  ],
  ['Gestures', '👍 👎 👏 🙌 🙏 👋 🤝 💪 🤞 ✌️ 👌 👉 👈 ☝️ 🫶 ✍️'],
  ['Hearts and signs', '❤️ 🧡 💛 💚 💙 💜 🖤 🤍 💔 ✨ ⭐ 🔥 💯 ✅ ❌ ❓ ❗ 🎉 🔔 💡'],
  ['Nature', '🐶 🐱 🦊 🐻 🐼 🐸 🐧 🦉 🐝 🦋 🌱 🌳 🌸 🌻 🌞 🌧️ ❄️ 🌈 🌍 🌙'],
  ['Food', '☕ 🍵 🍺 🍷 🥐 🍞 🧀 🍕 🍔 🥗 🍣 🍎 🍓 🍋 🥑 🍰 🍫 🍪'],
  ['Things', '🚲 🚗 🚆 ✈️ ⛵ 🏠 🏔️ 🏖️ 📷 💻 📱 📚 ✏️ 📎 🔧 🎸 🎧 ⚽ 🎮 🎁 ⏰ 🚀'],
];
const COLUMNS = 8;

/** A small set, on hand at once; arrow keys walk, Enter takes, Escape closes. */
export default function EmojiPicker({
  onPick,
  onClose,
}: {
  onPick: (emoji: string) => void;
  onClose: () => void;
}) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    ref.current?.querySelector('button')?.focus();
    const onPress = ({ target }: PointerEvent) => {
      if (!(target as Element).closest('.composer')) onClose();
    };
    addEventListener('pointerdown', onPress);
    return () => removeEventListener('pointerdown', onPress);
  }, [onClose]);
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.stopPropagation();
      onClose();
      return;
    }
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = [...(ref.current?.querySelectorAll('button') ?? [])];
    buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus();
  }
  return (
    <div ref={ref} className="emoji-picker" role="dialog" aria-label="Emoji" onKeyDown={onKeyDown}>
      {CATEGORIES.map(([name, emoji]) => (
        <section key={name}>
          <h3>{name}</h3>
          <div className="emoji-grid">
            {emoji.split(' ').map((one) => (
              <button key={one} type="button" onClick={() => onPick(one)}>
                {one}
              </button>
            ))}
          </div>
        </section>
      ))}
    </div>
  );
}
