import { defineConfig } from "vite";

// No inlined assets, no inline script or style: the console's Content-Security-Policy allows neither.
export default defineConfig({
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
