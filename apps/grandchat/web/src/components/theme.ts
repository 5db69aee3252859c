export type Theme = 'system' | 'light' | 'dark';

export function theme(): Theme {
  const stored = localStorage.getItem('theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

/** Takes effect at once, and at the next start before the first paint (public/theme.js). */
export function setTheme(chosen: Theme): void {
  if (chosen === 'system') {
    localStorage.removeItem('theme');
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem('theme', chosen);
    document.documentElement.dataset.theme = chosen;
  }
}
