"""The look of the report's page: light and dark by the reader's choice, and on paper."""

CSS = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2024; --quiet: #60666e;
  --rule: #d7dbe0; --panel: #f5f6f8; --good: #1d7a46; --warn: #a15c00; --bad: #c0271a;
  --other: #8b929b; --first: #2a62b5; --second: #a15c00; --third: #c0271a; --bar: #9db9df; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --ink: #e4e7ea;
  --quiet: #9aa2ab; --rule: #343a41; --panel: #1d2126; --good: #54c585; --warn: #e0a34a;
  --bad: #f2796d; --other: #767e87; --first: #7fb0f5; --second: #e0a34a; --third: #f2796d;
  --bar: #3d5f8f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p { margin: .5rem 0; } a { color: var(--first); }
.quiet { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.verdict, td.short { white-space: nowrap; overflow-wrap: normal; }
tfoot td { font-weight: 600; }
code { font: .86em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.is-good { color: var(--good); } .is-warn { color: var(--warn); } .is-bad { color: var(--bad); }
.is-other { color: var(--quiet); }
.verdict { font-weight: 600; }
.note { border-left: 3px solid var(--rule); padding-left: .75rem; color: var(--quiet); }
details { background: var(--panel); border-radius: 6px; padding: .5rem .9rem; margin: .5rem 0; }
summary { cursor: pointer; } summary:focus-visible { outline: 2px solid var(--first); }
figure { margin: 1rem 0; } figcaption { color: var(--quiet); font-size: .9rem; }
svg { max-width: 100%; height: auto; }
.chart text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }
.chart .axis { stroke: var(--rule); stroke-width: 1; }
.chart .ground { fill: none; } .chart .throughput { stroke: var(--bar); }
.chart .margin { fill: var(--rule); opacity: .6; }
.chart .line { stroke-width: 1.5; }
.chart .p50 { stroke: var(--first); }
.chart .p95 { stroke: var(--second); stroke-dasharray: 5 3; }
.chart .p99 { stroke: var(--third); stroke-dasharray: 1.5 2.5; }
.chart .dot { fill: var(--ink); }
.chart .bounds { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.chart .pair { stroke: var(--quiet); stroke-width: 1; }
.chart .status { fill: var(--other); } .chart .status-pass { fill: var(--good); }
.chart .status-fail, .chart .status-error { fill: var(--bad); }
.chart .status-warn, .chart .status-inconclusive { fill: var(--warn); }
.chart .status-stale, .chart .status-quick, .chart .status-n-a,
.chart .status-not-run, .chart .status-not-built, .chart .status-skipped { fill: var(--rule); }
.chart .proven { fill: var(--ink); }
@media print { :root { color-scheme: light; } body { max-width: none; padding: 0; font-size: 11px; }
  details { background: none; padding: 0; } details > summary { display: none; }
  details:not([open])::details-content { content-visibility: visible; display: block; }
  tr, figure { break-inside: avoid; } h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; } }
"""
