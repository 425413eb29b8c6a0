import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const platform = process.env.CLIPSTEAD_URL ?? 'http://localhost:3000';

export default defineConfig({
  plugins: [react()],
  build: {
    // The gateway's content policy allows no data: URIs for scripts, styles and fonts.
    assetsInlineLimit: 0,
    sourcemap: true,
  },
  server: {
    // Anchored patterns: a plain '/s' would also catch '/src'.
    proxy: { '^/api/': platform, '^/s/': platform, '^/p/': platform },
  },
  test: { include: ['tests/**/*.test.ts'] },
});
