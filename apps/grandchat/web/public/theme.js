// Before the first paint, so that nobody sees a flash of the other theme.
const theme = localStorage.getItem('theme');
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
