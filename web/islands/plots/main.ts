// Draws the first figure of a report's table over time. The table stays: it is the same in words and numbers.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

interface Series {
  labels: string[];
  places: number[];
  values: (number | null)[];
  ofTime: boolean;
}

const HEIGHT = 260;

function readTable(table: HTMLTableElement): Series {
  const series: Series = { labels: [], places: [], values: [], ofTime: false };
  for (const row of table.tBodies[0]?.rows ?? []) {
    const key = row.dataset["key"];
    if (!key) continue;
    const day = /^\d{4}-\d{2}-\d{2}$/.test(key);
    series.ofTime ||= day;
    const value = row.querySelector<HTMLElement>("[data-value]")?.dataset["value"];
    series.labels.push(row.cells[0]?.textContent?.trim() ?? key);
    series.places.push(day ? Date.parse(`${key}T00:00:00Z`) / 1000 : Number(key));
    series.values.push(value === undefined ? null : Number(value));
  }
  return series;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(series: Series, label: string, width: number): uPlot.Options {
  const axis = { stroke: colour("--second"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const points = series.values.length <= 60;
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: { x: { time: series.ofTime }, y: { range: (_plot, low, high) => [Math.min(0, low), high || 1] } },
    axes: [axis, { ...axis, size: 70 }],
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    series: [
      {},
      {
        label,
        stroke: colour("--accent"),
        width: 2,
        points: { show: points, size: 6 },
        fill: `color-mix(in srgb, ${colour("--accent")} 12%, transparent)`,
      },
    ],
  };
}

function draw(box: HTMLElement): void {
  const table = document.getElementById(box.dataset["plot"] ?? "");
  if (!(table instanceof HTMLTableElement)) return;
  const series = readTable(table);
  if (series.places.length < 2) return;
  box.hidden = false;
  const label = box.dataset["label"] ?? "";
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${label}, ${series.labels[0]} to ${series.labels.at(-1)}; the table below has every number`);
  const width = (): number => box.clientWidth - 24;
  let plot: uPlot | undefined;
  const again = (): void => {
    plot?.destroy();
    plot = new uPlot(options(series, label, width()), [series.places, series.values], box);
  };
  again();
  new ResizeObserver(() => plot?.setSize({ width: width(), height: HEIGHT })).observe(box);
  // The other palette: drawn anew, for a canvas knows no style sheet.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}

for (const box of document.querySelectorAll<HTMLElement>("[data-plot]")) draw(box);
