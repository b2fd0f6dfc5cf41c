// Puts third-party scripts, pinned by package-lock.json, where the pages find them, and bundles our islands.
// Nothing of either is committed.
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(fileURLToPath(import.meta.url));
const vendor = join(web, "static", "vendor");
const islands = join(web, "islands");
const packages = join(web, "..", "node_modules");

const files = [
  ["htmx.org/dist/htmx.min.js", "htmx.min.js"],
];

await rm(vendor, { recursive: true, force: true });
await mkdir(vendor, { recursive: true });
for (const [source, name] of files) {
  await copyFile(join(packages, source), join(vendor, name));
  console.log(`web/static/vendor/${name}`);
}

// An island is a folder with a main.ts or main.tsx; it becomes build/<folder>.js and, when it has styles, .css.
const entryPoints = {};
for (const name of (await readdir(islands)).sort()) {
  const main = ["main.ts", "main.tsx"].map((file) => join(islands, name, file)).find(existsSync);
  if (main) entryPoints[name] = main;
}
const built = await build({
  entryPoints,
  outdir: join(web, "static", "build"),
  bundle: true,
  format: "esm",
  jsx: "automatic",
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
  minify: true,
  target: ["es2022"],
  define: { "process.env.NODE_ENV": '"production"' },
});
for (const [path, { bytes }] of Object.entries(built.metafile.outputs)) {
  console.log(`${path} (${Math.round(bytes / 1024)} kB)`);
}
