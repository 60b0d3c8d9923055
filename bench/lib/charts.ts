import { type EChartsOption, init } from "echarts";

export type Point = readonly [x: number | string, y: number];

export type Series = { readonly name: string; readonly points: readonly Point[] };

/** A picture of figures. Without numbers on its x axis, the values there are categories. */
export type Chart = {
  /** File name, without ending. */
  readonly file: string;
  readonly title: string;
  readonly kind: "line" | "bar";
  readonly x: { readonly name: string; readonly log?: boolean };
  readonly y: { readonly name: string; readonly log?: boolean; readonly min?: number };
  readonly series: readonly Series[];
  /** The floor that no implementation can go below, or the ceiling above. */
  readonly floor?: Series;
};

const WIDTH = 760;
const HEIGHT = 450;
/** Colour-blind people can tell these apart too (Okabe and Ito). */
const COLOURS = ["#d55e00", "#e69f00", "#56b4e9", "#0072b2", "#009e73", "#cc79a7"];
/** Shows every label, on several lines if it is long. */
const LABEL = { interval: 0, width: 84, overflow: "break", fontSize: 11 } as const;
const FLOOR_COLOUR = "#444444";

/** Draws a chart as SVG, on white, so that it can be read on any page. The same figures give the same text. */
export function drawChart(chart: Chart): string {
  const drawn = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawn.setOption(optionOf(chart));
    // Names that count up within a process, and styles for a pointer, which a picture never has.
    const svg = drawn
      .renderToSVGString()
      .replace(/<style[\s\S]*?<\/style>\n?/, "")
      .replaceAll(/ class="[^"]*"/g, "")
      .replaceAll(/zr\d+-/g, "");
    return svg
      .replace(/^(<svg [^>]*>)/, `$1\n<title>${chart.title}</title>`)
      .trimEnd()
      .concat("\n");
  } finally {
    // Otherwise its timer keeps the process alive.
    drawn.dispose();
  }
}

function optionOf({ title, kind, x, y, series, floor }: Chart): EChartsOption {
  const all = [...series, ...(floor === undefined ? [] : [floor])];
  const isCategory = series.some(({ points }) => points.some(([at]) => typeof at === "string"));
  return {
    animation: false,
    backgroundColor: "#ffffff",
    color: COLOURS,
    textStyle: { fontFamily: "sans-serif" },
    title: { text: title, left: 16, top: 10, textStyle: { fontSize: 15, fontWeight: 600 } },
    legend: { data: all.map(({ name }) => name), bottom: 6, icon: "roundRect", itemHeight: 4, itemGap: 28 },
    grid: { left: 84, right: 28, top: 60, bottom: 112 },
    xAxis: {
      type: isCategory ? "category" : x.log === true ? "log" : "value",
      name: x.name,
      nameLocation: "middle",
      nameGap: 28,
      // The floor has every category, in its order.
      ...(isCategory ? { data: categories([...all].reverse()), axisLabel: LABEL } : {}),
    },
    yAxis: {
      type: y.log === true ? "log" : "value",
      name: y.name,
      nameLocation: "middle",
      nameGap: 62,
      ...(y.min === undefined ? {} : { min: y.min }),
    },
    series: all.map(({ name, points }) => {
      const isFloor = name === floor?.name;
      return {
        name,
        type: isFloor ? ("line" as const) : kind,
        data: points.map(([at, value]) => [at, value]),
        symbolSize: isFloor ? 0 : 6,
        ...(isFloor
          ? { lineStyle: { type: "dashed" as const, color: FLOOR_COLOUR }, itemStyle: { color: FLOOR_COLOUR } }
          : {}),
      };
    }),
  };
}

function categories(series: readonly Series[]): string[] {
  return [...new Set(series.flatMap(({ points }) => points.map(([at]) => String(at))))];
}
