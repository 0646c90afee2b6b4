/**
 * Builds the demo into `dist/`: relative paths, hashed files under `assets/`, so that the server can embed the
 * folder and a proxy can mount it below any prefix.
 */
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        // The client library changes less often than the pages: let browsers keep it.
        manualChunks: (id) => (id.includes('node_modules') && !id.includes('preact') ? 'client' : undefined),
      },
    },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { port: 5173, proxy: { '/dev': 'http://127.0.0.1:7880', '/rtc': { target: 'http://127.0.0.1:7880', ws: true } } },
});
