import { heatLevels } from "../charts/heat-map.js";

/** Colours of the page and of six series, for one scheme. Contrast of text with `paper` is at least 4.5, of marks 3. */
interface Scheme {
  readonly tokens: Readonly<Record<string, string>>;
  /** Neutral, full positive and full negative of heat maps. */
  readonly heat: readonly [neutral: string, positive: string, negative: string];
}

const light: Scheme = {
  tokens: {
    ground: "#f5f6f8",
    paper: "#ffffff",
    ink: "#171a21",
    muted: "#565e6c",
    rule: "#dfe3e9",
    grid: "#e6e9ee",
    accent: "#0b5cad",
    share: "#dbe8f6",
    good: "#0a6b46",
    bad: "#b3261e",
    warn: "#8a5a00",
    s0: "#0b66b7",
    s1: "#c8480c",
    s2: "#0a8060",
    s3: "#a63c80",
    s4: "#8a6400",
    s5: "#5a6474",
    on: "#ffffff",
  },
  heat: ["#f4f5f7", "#a5330a", "#0a4d93"],
};

const dark: Scheme = {
  tokens: {
    ground: "#0e1116",
    paper: "#161a21",
    ink: "#e7eaf0",
    muted: "#a2abba",
    rule: "#2b313c",
    grid: "#262c36",
    accent: "#74b8ff",
    share: "#1f3a57",
    good: "#5fd3a2",
    bad: "#ff8a80",
    warn: "#e9bd58",
    s0: "#5aaeff",
    s1: "#ff9360",
    s2: "#43cda3",
    s3: "#ee87c3",
    s4: "#e3be55",
    s5: "#a7b1c1",
    on: "#0e1116",
  },
  heat: ["#20252e", "#ff9d6c", "#6cb6ff"],
};

const dashes = ["none", "7 4", "2 3", "9 3 2 3", "4 2", "1 4"];

/** What the marks of charts look like. */
const chartRules = `svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink);font-variant-numeric:tabular-nums}
svg .tick,svg .axis{fill:var(--muted)}
svg .number{font-size:11.5px}
svg .on{fill:var(--on)}
.grid{stroke:var(--grid);fill:none}.band{stroke:var(--muted);stroke-dasharray:2 4;fill:none;opacity:.6}.edge{fill:none;stroke:var(--rule)}
.whisker{stroke:var(--ink);fill:none;stroke-width:1.3}.hit{fill:transparent}
${[0, 1, 2, 3, 4, 5].map(seriesStyle).join("\n")}`;

/** The same for an SVG file that stands alone, in the light scheme: what draws it need know no variables. */
export const standaloneChartStyle = chartRules.replace(/var\(--(\w+)\)/g, (_, name: string) => light.tokens[name]!);

export const pageStyle = `
:root{color-scheme:light dark;${tokensOf(light)}}
${heatOf(light)}
@media (prefers-color-scheme:dark){:root{${tokensOf(dark)}}
${heatOf(dark)}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;max-width:1040px;padding:40px 24px 64px;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
main:focus{outline:none}
.skip{position:absolute;left:-999px}
.skip:focus{left:16px;top:8px;background:var(--paper);padding:8px 12px;z-index:1}
.kind{margin:0;color:var(--muted);font-size:14px;letter-spacing:.02em}
h1{margin:4px 0 8px;font-size:clamp(26px,5vw,36px);line-height:1.2;letter-spacing:-.015em;overflow-wrap:anywhere}
.lead{margin:0;max-width:70ch;font-size:18px;color:var(--muted)}
nav{margin:24px 0 0;padding:12px 0;border-block:1px solid var(--rule);font-size:15px}
nav ol{display:flex;flex-wrap:wrap;gap:4px 20px;margin:0;padding:0;list-style:none}
nav a{display:inline-block;padding:3px 0;text-decoration:none}
nav a:hover{text-decoration:underline}
h2{margin:48px 0 12px;font-size:22px;line-height:1.3;letter-spacing:-.01em}
h3{margin:32px 0 8px;font-size:17px}
p{max-width:72ch;margin:8px 0 12px;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:24px 0}
.figures div{padding:14px 16px;background:var(--paper);border:1px solid var(--rule);border-radius:10px}
.figures dt{color:var(--muted);font-size:14px}
.figures dd{margin:2px 0 0;font-size:25px;line-height:1.25;font-weight:600;letter-spacing:-.01em;overflow-wrap:anywhere}
.figures dd.note{font-size:13.5px;line-height:1.4;font-weight:400;letter-spacing:0;color:var(--muted)}
.notes{margin:16px 0;padding:0;list-style:none;display:grid;gap:8px}
.notes li{padding:10px 14px;background:var(--paper);border:1px solid var(--rule);border-inline-start:4px solid var(--muted);border-radius:6px;overflow-wrap:anywhere}
.notes .good{border-inline-start-color:var(--good)}.notes .warning{border-inline-start-color:var(--warn)}.notes .error{border-inline-start-color:var(--bad)}
.good strong{color:var(--good)}.warning strong{color:var(--warn)}.error strong{color:var(--bad)}
.scroll{margin:16px 0;overflow-x:auto;background:var(--paper);border:1px solid var(--rule);border-radius:10px}
table{width:100%;border-collapse:collapse;font-size:14px;line-height:1.4}
th:first-child{padding-inline-start:14px}th:last-child,td:last-child{padding-inline-end:14px}
caption{padding:12px 14px 8px;text-align:start;font-weight:600;font-size:15px}
th,td{padding:6px 9px;text-align:start;white-space:nowrap;border-top:1px solid var(--rule)}
thead th{white-space:normal;color:var(--muted);font-weight:500;font-size:13px;vertical-align:bottom;border-top:0}
tbody th{font-weight:500;white-space:normal;overflow-wrap:break-word;max-width:26em}
.n{text-align:end}
tr.total th,tr.total td{font-weight:600;border-top:2px solid var(--muted)}
td.good{color:var(--good)}td.bad{color:var(--bad)}td.muted{color:var(--muted)}td.strong{font-weight:600}
td.share{background:linear-gradient(to left,var(--share) var(--part),transparent 0)}
figure{margin:0}
figure.chart{margin:20px 0;padding:16px 18px;background:var(--paper);border:1px solid var(--rule);border-radius:10px}
figure.chart figcaption{margin-bottom:14px}
figure.chart figcaption strong{display:block;font-size:16px}
figure.chart figcaption span{display:block;max-width:80ch;color:var(--muted);font-size:14px}
svg.chart{display:block;max-width:100%;height:auto;overflow:visible}
.narrow{display:none}
${chartRules}
.area{fill-opacity:.16}.thin{stroke-width:1.3;stroke-dasharray:none}
details{margin:14px 0}
summary{cursor:pointer;color:var(--accent);font-size:14px;padding:2px 0}
.numbers{margin:12px 0 0}
.numbers .scroll{max-height:420px;overflow:auto}
.unseen{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.caption{font-weight:600;font-size:15px;margin:20px 0 8px}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(var(--picture),44%),var(--picture)));gap:16px;margin:12px 0;padding:0;list-style:none}
.pictures img{display:block;width:100%;height:auto;border-radius:6px;border:1px solid var(--rule)}
.pictures .good img{outline:2px solid var(--good)}.pictures .bad img{outline:2px solid var(--bad)}
.pixelated img{image-rendering:pixelated}
.pictures figcaption{margin-top:6px;font-size:13px;line-height:1.35;overflow-wrap:anywhere}
.pictures figcaption strong,.pictures figcaption span{display:block}
.pictures figcaption span{color:var(--muted)}
footer{margin-top:56px;padding-top:12px;border-top:1px solid var(--rule);color:var(--muted);font-size:13.5px}
footer p{margin:2px 0}
@media screen and (max-width:759px){body{padding:24px 16px 48px}.wide{display:none}.narrow{display:block}.narrow svg{width:100%;max-width:460px}figure.chart{padding:14px}.lead{font-size:16.5px}h2{margin-top:36px}.figures{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}th,td{padding:6px 10px}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{:root{${tokensOf({ ...light, tokens: { ...light.tokens, ground: "#ffffff" } })}}
${heatOf(light)}
body{max-width:none;padding:0;font-size:11pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}nav,.skip,.numbers{display:none}figure,.figures div,.notes li,tr{break-inside:avoid}h2,h3,figcaption,caption{break-after:avoid}.scroll{overflow:visible;border:0}table{font-size:8.5pt}th,td{padding:3px 6px}details::details-content{content-visibility:visible;height:auto}}
`;

function tokensOf({ tokens }: Scheme): string {
  return Object.entries(tokens)
    .map(([name, color]) => `--${name}:${color}`)
    .join(";");
}

function seriesStyle(series: number): string {
  return `.f${series}{fill:var(--s${series})}.s${series}{stroke:var(--s${series});fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-dasharray:${dashes[series]}}`;
}

/** Colours of heat-map cells by level. */
function heatOf({ heat: [neutral, positive, negative] }: Scheme): string {
  const rules = [".h-none{fill:var(--muted)}"];
  for (let level = 0; level <= heatLevels; level++) {
    rules.push(`.hp${level}{fill:${mixed(neutral, positive, level / heatLevels)}}`);
    if (level > 0) rules.push(`.hm${level}{fill:${mixed(neutral, negative, level / heatLevels)}}`);
  }
  return rules.join("");
}

/** From one colour to another, evenly in sRGB. */
function mixed(from: string, to: string, share: number): string {
  const channel = (color: string, i: number): number => Number.parseInt(color.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mix = (i: number): string =>
    Math.round(channel(from, i) * (1 - share) + channel(to, i) * share)
      .toString(16)
      .padStart(2, "0");
  return `#${mix(0)}${mix(1)}${mix(2)}`;
}
