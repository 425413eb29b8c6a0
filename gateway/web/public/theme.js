// Runs before the first paint, so that a chosen theme never flashes the other one. src/ui/theme.ts changes the choice.
(() => {
  try {
    const chosen = localStorage.getItem('clipstead.theme');
    if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is blocked in this browser: the system's scheme applies.
  }
})();
